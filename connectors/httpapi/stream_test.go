package httpapi_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"invigil/connectors/httpapi"
)

// largeTable is how many rows the tests of streaming have: more bytes than the
// buffers between server and client hold.
const largeTable = 6_000

// fillLarge adds a large table.
func fillLarge(t *testing.T, f *fixture) {
	t.Helper()
	text := strings.Repeat("x", 4000)
	for agent := range 20 {
		var events []string
		for n := range largeTable / 20 {
			row := fmt.Sprintf(`{"name":"p%d","version":"1","architecture":"amd64","format":"deb","location":" ","description":%q}`, n, text)
			events = append(events, delta(fmt.Sprintf("%03d", agent), "host", "INSERTED", "packages", row))
		}
		f.add(t, "t", events...)
	}
}

// TestLargeTable shares one large table among the tests of streaming.
func TestLargeTable(t *testing.T) {
	f := newFixture(t)
	fillLarge(t, f)
	for name, test := range map[string]func(*testing.T, *fixture){
		"it streams":                              testStreams,
		"answers at a time are limited":           testPlaces,
		"a client that does not read is given up": testGivenUp,
		"a stop ends answers in hand":             testStop,
	} {
		t.Run(name, func(t *testing.T) { test(t, f) })
	}
}

// slowClient reads through small buffers, so that what it did not ask for stays
// with the server.
func slowClient() *http.Client {
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		failed := c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) })
		return errors.Join(failed, err)
	}}
	return &http.Client{Transport: &http.Transport{DialContext: d.DialContext}}
}

// counter sums what a counter counted, over all labels.
func counter(t *testing.T, r *prometheus.Registry, name string) (sum float64) {
	t.Helper()
	all, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		for _, m := range f.GetMetric() {
			if f.GetName() == name {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

// testStreams: the first row comes before the table is read, a client
// that does not read on holds the server up, and all rows arrive in the end.
func testStreams(t *testing.T, f *fixture) {
	reg := prometheus.NewRegistry()
	url := serve(t, httpapi.Options{API: f.api(), Registerer: reg})
	client := slowClient()
	defer client.CloseIdleConnections()
	res, err := client.Get(url + "/v1/inventory/packages")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body := bufio.NewReader(res.Body)
	for range 2 { // the list's head, the first row
		if _, err := body.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	if sent := counter(t, reg, "invigil_http_items_total"); sent < 1 || sent > largeTable/2 {
		t.Errorf("%v rows left the store before the client read the second of %d", sent, largeTable)
	}
	rows := 1
	for {
		line, err := body.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(line, "]") {
			if want := fmt.Sprintf(`],"total":%d}`, largeTable); strings.TrimSpace(line) != want {
				t.Errorf("the end is %s, want %s", line, want)
			}
			break
		}
		rows++
	}
	if rows != largeTable {
		t.Errorf("%d rows, want %d", rows, largeTable)
	}
	if _, err := body.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("behind the end: %v", err)
	}
	if sent := counter(t, reg, "invigil_http_items_total"); sent != largeTable {
		t.Errorf("%v items counted, want %d", sent, largeTable)
	}
}

// TestAnAnswerThatFailsBreaksOff: before its first byte the status says so,
// behind it an error stands in the body and the connection breaks off.
func TestAnAnswerThatFailsBreaksOff(t *testing.T) {
	f := newFixture(t)
	f.add(t, "t", delta("001", "a", "INSERTED", "ports", portRow(22, "listening", "0.0.0.0")), delta("002", "b", "INSERTED", "ports", portRow(23, "listening", "0.0.0.0")))
	url := serve(t, httpapi.Options{API: f.api()})
	where := "/v1/inventory/ports?where=1+%25+(port.local_port-23)+<+2"
	res, err := http.Get(url + where)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	if res.StatusCode != http.StatusOK || !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(string(body), `"port.local_port":22`) ||
		!strings.Contains(string(body), `],"error":"where: agent 002: `) {
		t.Errorf("%d %v %s", res.StatusCode, err, body)
	}
	// A page is held back until it is whole.
	if status, got := ask(t, "GET", url+where+"&limit=10"); status != http.StatusBadRequest {
		t.Errorf("a page: %d %v", status, got)
	}
}

func TestTheTimeOfAnAnswerIsLimited(t *testing.T) {
	f := newFixture(t)
	f.add(t, "t", fleetEvents()...)
	api := f.api()
	api.QueryTime = time.Nanosecond
	url := serve(t, httpapi.Options{API: api})
	for _, path := range []string{"/v1/inventory/ports", "/v1/agents", "/v1/agents/001", "/v1/agents/001/ports", "/v1/agents/001/ports?sort=agent.id",
		"/v1/agents/001/history?table=packages", "/v1/alerts/active", "/v1/dead-letters", "/v1/status"} {
		status, got := ask(t, "GET", url+path)
		if text, _ := got["error"].(string); status != http.StatusServiceUnavailable || !strings.Contains(text, "took too long") {
			t.Errorf("%s: %d %v", path, status, got)
		}
	}
}

// testPlaces: those beyond are sent away, until a place is
// free again.
func testPlaces(t *testing.T, f *fixture) {
	api := f.api()
	api.Queries = 1
	url := serve(t, httpapi.Options{API: api})
	client := slowClient()
	defer client.CloseIdleConnections()
	res, err := client.Get(url + "/v1/inventory/packages") // and does not read
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	other, err := http.Get(url + "/v1/lists")
	if err != nil {
		t.Fatal(err)
	}
	other.Body.Close()
	if other.StatusCode != http.StatusTooManyRequests || other.Header.Get("Retry-After") == "" {
		t.Errorf("%d, retry after %q", other.StatusCode, other.Header.Get("Retry-After"))
	}
	res.Body.Close() // gone
	untilAnswered(t, url)
}

// untilAnswered asks until there is a place.
func untilAnswered(t *testing.T, url string) {
	t.Helper()
	for {
		switch status, got := ask(t, "GET", url+"/v1/lists"); status {
		case http.StatusOK:
			return
		case http.StatusTooManyRequests:
		default:
			t.Fatalf("%d %v", status, got)
		}
	}
}

// testGivenUp: its answer ends with the time it may
// take, and its place goes to others.
func testGivenUp(t *testing.T, f *fixture) {
	api, reg := f.api(), prometheus.NewRegistry()
	api.QueryTime, api.Queries = 100*time.Millisecond, 1
	url := serve(t, httpapi.Options{API: api, Registerer: reg})
	client := slowClient()
	defer client.CloseIdleConnections()
	res, err := client.Get(url + "/v1/inventory/packages")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	untilAnswered(t, url)
	if rest, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("a part of %d bytes was taken for the whole", len(rest))
	}
	if sent := counter(t, reg, "invigil_http_items_total"); sent >= largeTable {
		t.Errorf("all %v rows were sent", sent)
	}
}

// testStop: Run returns when nobody uses the store any more.
func testStop(t *testing.T, f *fixture) {
	s, err := httpapi.Listen(httpapi.Options{Listen: "127.0.0.1:0", API: f.api(), StopGrace: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	client := slowClient()
	defer client.CloseIdleConnections()
	res, err := client.Get("http://" + s.Addr() + "/v1/inventory/packages")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	stop()
	if err := <-done; err != nil {
		t.Errorf("stop: %v", err)
	}
	// The fixture closes the store later, which fails while a view is open.
}
