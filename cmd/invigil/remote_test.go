package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"invigil/pipeline/query"
	"invigil/pipeline/syscollector"
)

// answerWith reads the ports of an instance that answers as it is told.
func answerWith(t *testing.T, r *remote, ask query.Question) ([]string, error) {
	t.Helper()
	ask.Table = syscollector.Ports
	q, err := query.Compile(ask)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for row, err := range r.rows(t.Context(), ask, q) {
		if err != nil {
			return got, err
		}
		got = append(got, string(query.AppendJSON(nil, q.Columns(), row)))
	}
	return got, nil
}

func TestAnswersOfAnInstanceAreReadToTheirEnd(t *testing.T) {
	const row = `{"agent.id":"001","port.local_port":22,"port.future":"ignored"}`
	tests := []struct {
		name    string
		status  int
		body    string
		rows    int
		failure string // part of the error, "" = none
	}{
		{"no rows", 200, `{"items":[],"total":0}`, 0, ""},
		{"rows and what stands behind them", 200, `{"items":[` + row + `,` + row + `],"total":2,"later":{"a":[1]}}`, 2, ""},
		{"an error behind the rows", 200, `{"items":[` + row + `],"error":"the answer took too long","hint":"x"}`, 1, "broke off: the answer took too long"},
		{"an end in the middle", 200, `{"items":[` + row + `,`, 1, "broke off: unexpected EOF"},
		{"an end behind the rows", 200, `{"items":[` + row + `]`, 1, "broke off: unexpected EOF"},
		{"nothing", 200, ``, 0, "broke off"},
		{"no list", 200, `{"rows":[]}`, 0, "broke off"},
		{"a row that is none", 200, `{"items":[3]}`, 0, "broke off: row"},
		{"a value of another type", 200, `{"items":[{"port.local_port":"x"}]}`, 0, "port.local_port"},
		{"a mistake", 400, `{"error":"where: no","hint":"did you mean yes?"}`, 0, "where: no: did you mean yes?"},
		{"no token", 401, `{"error":"a bearer token is needed"}`, 0, "give --token or INVIGIL_TOKEN"},
		{"somebody else", 502, `<html>`, 0, "answers 502 Bad Gateway"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.status)
				io.WriteString(w, tt.body)
			}))
			defer s.Close()
			got, err := answerWith(t, newRemote(s.URL+"/", ""), query.Question{})
			if len(got) != tt.rows || len(got) > 0 && got[0] != `{"agent.id":"001","port.local_port":22}` {
				t.Errorf("rows %q, want %d", got, tt.rows)
			}
			if tt.failure == "" && err != nil || tt.failure != "" && (err == nil || !strings.Contains(err.Error(), tt.failure)) {
				t.Errorf("error %v, want %q", err, tt.failure)
			}
		})
	}
}

func TestAnInstanceIsAskedForWhatIsSortedBy(t *testing.T) {
	var asked http.Request
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = *r
		io.WriteString(w, `{"items":[{"port.local_port":1,"agent.name":"b"},{"port.local_port":2,"agent.name":"a"},{"port.local_port":3}]}`)
	}))
	defer s.Close()
	got, err := answerWith(t, newRemote(s.URL, "sesame"), query.Question{
		Agent: "a b", Topic: "t", Where: `port.state == "x"`, Select: []string{"port.local_port"}, Sort: []string{"-agent.name"}, At: 1718380800123,
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{`{"port.local_port":1}`, `{"port.local_port":2}`, `{"port.local_port":3}`}, got); diff != "" {
		t.Error(diff)
	}
	want := map[string][]string{"agent": {"a b"}, "topic": {"t"}, "where": {`port.state == "x"`}, "select": {"port.local_port,agent.name"}, "at": {"2024-06-14T16:00:00.123Z"}}
	if diff := cmp.Diff(want, map[string][]string(asked.URL.Query())); diff != "" || asked.URL.Path != "/v1/inventory/ports" {
		t.Errorf("%s %s", asked.URL.Path, diff)
	}
	if token := asked.Header.Get("Authorization"); token != "Bearer sesame" {
		t.Errorf("token %q", token)
	}
}

func TestTheInstanceFileNamesTheCertificateToTrust(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer own" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		io.WriteString(w, `{"items":[{"agent.id":"001"}]}`)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	sum := sha256.Sum256(s.Certificate().Raw)
	other := sha256.Sum256([]byte("another"))
	for name, tt := range map[string]struct {
		sum  string
		good bool
	}{
		"the one it names": {hex.EncodeToString(sum[:]), true},
		"another":          {hex.EncodeToString(other[:]), false},
		"none":             {"", false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			i := instance{URL: s.URL, Token: "own", PID: 7, Started: time.Unix(0, 0).UTC(), Version: "v1", Certificate: tt.sum}
			if err := i.write(dir); err != nil {
				t.Fatal(err)
			}
			r, err := localRemote(dir)
			if err != nil {
				t.Fatal(err)
			}
			got, err := answerWith(t, r, query.Question{})
			if (err == nil) != tt.good || tt.good && len(got) != 1 {
				t.Errorf("%q %v, want it to answer = %v", got, err, tt.good)
			}
			r.client.CloseIdleConnections()
		})
	}
}

func TestTheInstanceFileIsForItsOwner(t *testing.T) {
	dir := t.TempDir()
	want := instance{URL: "http://127.0.0.1:1", Token: newToken(), PID: 7, Started: time.Unix(1718380800, 0).UTC(), Version: "v1"}
	for range 2 { // the second replaces the first
		if err := want.write(dir); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(filepath.Join(dir, instanceFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v %v", info.Mode(), err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("left behind: %v %v", files, err)
	}
	got, err := readInstance(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Error(diff)
	}
	if err := errors.Join(removeInstance(dir), removeInstance(dir)); err != nil {
		t.Errorf("removed twice: %v", err)
	}
	if _, err := localRemote(dir); err == nil || !strings.Contains(err.Error(), "does not say where it listens") {
		t.Errorf("without a file: %v", err)
	}
	if err := (&instance{PID: 7}).write(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := localRemote(dir); err == nil || !strings.Contains(err.Error(), "process 7 runs on it and has no HTTP listener") {
		t.Errorf("without a listener: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, instanceFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := localRemote(dir); err == nil || !strings.Contains(err.Error(), instanceFile) {
		t.Errorf("a damaged file: %v", err)
	}
}

func TestTheLocalURL(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:80":     "http://127.0.0.1:80",
		"[::]:80":          "http://[::1]:80",
		"0.0.0.0:80":       "http://127.0.0.1:80",
		"192.0.2.1:80":     "http://192.0.2.1:80",
		"[2001:db8::1]:80": "http://[2001:db8::1]:80",
	} {
		if got, err := localURL(addr, false); got != want || err != nil {
			t.Errorf("%s: %s %v, want %s", addr, got, err, want)
		}
	}
	if got, _ := localURL("127.0.0.1:80", true); got != "https://127.0.0.1:80" {
		t.Error(got)
	}
}
