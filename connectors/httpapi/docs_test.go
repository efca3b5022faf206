package httpapi_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"invigil/connectors/httpapi"
)

var update = flag.Bool("update", false, "write the answers into the document")

// example is a curl line of the document with the answer that it shows.
var example = regexp.MustCompile("(?s)```sh\n(curl [^`]*?)\n```\n\n```json\n(.*?)```")

// TestTheDocumentShowsRealAnswers asks what docs/api.md asks, over the small
// fleet.
func TestTheDocumentShowsRealAnswers(t *testing.T) {
	const document = "../../docs/api.md"
	f := newFixture(t)
	f.add(t, "syscollector", fleetEvents()...)
	api := f.api()
	api.Forget = new(forgetter)
	base := serve(t, httpapi.Options{API: api, Tokens: map[string]string{"docs": "sesame"}})
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	asked := map[string]bool{}
	got := example.ReplaceAllFunc(text, func(found []byte) []byte {
		m := example.FindSubmatch(found)
		r := curl(t, base, string(m[1]))
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var raw json.RawMessage
		if err := json.NewDecoder(res.Body).Decode(&raw); err != nil {
			t.Fatalf("%s: %d: %v", m[1], res.StatusCode, err)
		}
		asked[r.URL.Path] = true
		var out bytes.Buffer
		if err := json.Indent(&out, raw, "", "  "); err != nil {
			t.Fatal(err)
		}
		return []byte("```sh\n" + string(m[1]) + "\n```\n\n```json\n" + out.String() + "\n```")
	})
	for _, path := range []string{"/v1/agents", "/v1/agents/002", "/v1/agents/002/ports", "/v1/agents/001/history", "/v1/inventory/packages",
		"/v1/alerts/active", "/v1/alerts/recent", "/v1/rules", "/v1/lists", "/v1/status", "/v1/dead-letters"} {
		if !asked[path] {
			t.Errorf("%s is not shown", path)
		}
	}
	if *update {
		if err := os.WriteFile(document, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(text), string(got)); diff != "" {
		t.Errorf("run the test with -update (-shown +answered):\n%s", diff)
	}
}

// curl turns a curl line into a request: words in single quotes or without
// blanks, -s, -G, --data-urlencode and -H.
func curl(t *testing.T, base, line string) *http.Request {
	t.Helper()
	line = strings.ReplaceAll(strings.ReplaceAll(line, "\\\n", " "), `"Authorization: Bearer $TOKEN"`, "'Authorization: Bearer sesame'")
	words := regexp.MustCompile(`'[^']*'|\S+`).FindAllString(line, -1)
	address, query, header := "", url.Values{}, http.Header{}
	for i := 1; i < len(words); i++ {
		word := strings.Trim(words[i], "'")
		next := func() string { i++; return strings.Trim(words[i], "'") }
		switch word {
		case "-s", "-G":
		case "--data-urlencode":
			name, value, _ := strings.Cut(next(), "=")
			query.Add(name, value)
		case "-H":
			name, value, _ := strings.Cut(next(), ": ")
			header.Set(name, value)
		default:
			address = word
		}
	}
	path, ok := strings.CutPrefix(address, "http://127.0.0.1:8480")
	if !ok {
		t.Fatalf("no address in %s", line)
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	return r
}
