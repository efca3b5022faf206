package examples_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"maps"
	"os"
	"testing"
	"time"

	"invigil/examples"
	"invigil/examples/fleet"
	"invigil/pipeline/syscollector"
)

var update = flag.Bool("update", false, "write the sample events anew")

// start is when the sample fleet's first agent reports.
var start = time.Date(2024, time.June, 14, 16, 30, 0, 0, time.UTC)

const partitions = 3

// recording writes records as kcat -J prints them.
type recording struct {
	bytes.Buffer
	next [partitions]int
	at   time.Time
}

type record struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	Offset    int    `json:"offset"`
	TSType    string `json:"tstype"`
	TS        int64  `json:"ts"`
	Broker    int    `json:"broker"`
	Key       string `json:"key"`
	Payload   string `json:"payload"`
}

func (r *recording) add(t *testing.T, partition int, key string, value []byte) {
	t.Helper()
	r.at = r.at.Add(250 * time.Millisecond)
	enc := json.NewEncoder(&r.Buffer)
	enc.SetEscapeHTML(false)
	err := enc.Encode(record{"syscollector", partition, r.next[partition], "create", r.at.UnixMilli(), 1, key, string(value)})
	if err != nil {
		t.Fatal(err)
	}
	r.next[partition]++
}

// send records messages of one agent in one envelope.
func (r *recording) send(t *testing.T, n int, a fleet.Agent, e fleet.Envelope, messages ...[]byte) {
	t.Helper()
	for _, m := range messages {
		r.add(t, n%partitions, a.ID, e.Wrap(a, r.at.Add(250*time.Millisecond), m))
	}
}

// envelope gives each agent a shipper: a topic holds what many of them send.
func envelope(h *fleet.Host, n int) fleet.Envelope {
	e := fleet.Envelope(n % int(fleet.NumEnvelopes))
	if e == fleet.Bus && h.Family == fleet.ScanFamily {
		e = fleet.Queue
	}
	return e
}

// TestSampleEventsAreCurrent writes down 40 agents' first scan, then the two
// stories an hour later, then that both are over.
func TestSampleEventsAreCurrent(t *testing.T) {
	r := &recording{at: start}
	for n := 1; n <= 40; n++ {
		h := fleet.NewHost(n)
		r.send(t, n, h.Agent, envelope(h, n), inventory(h, n, r.at)...)
		if n == 20 { // what cannot be read is kept as a dead letter
			r.add(t, 2, "020", []byte(`d:[020] (desk-20) 10.20.0.20->syscollector:{"type":"port","ID":7,"port":{"protocol":`))
			r.add(t, 2, "020", []byte(`2024 Jun 14 16:35:00 (desk-20) 10.20.0.20->/var/log/syslog session opened for user root`))
		}
	}
	r.at = start.Add(time.Hour)
	for _, n := range []int{2, 3, 7, 12, 22} { // Docker comes up on build hosts and a mail host
		r.send(t, n, fleet.NewHost(n).Agent, envelope(fleet.NewHost(n), n), docker(n, "up", r.at)...)
	}
	r.send(t, 0, fleet.Manager, fleet.Queue, peers(r.at, 1)...)
	r.at = start.Add(2 * time.Hour)
	for _, n := range []int{2, 3} {
		r.send(t, n, fleet.NewHost(n).Agent, envelope(fleet.NewHost(n), n), docker(n, "down", r.at)...)
	}
	r.send(t, 0, fleet.Manager, fleet.Queue, peers(r.at, 2)...)

	const name = "events/fleet.jsonl"
	if *update {
		if err := os.WriteFile(name, r.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := fs.ReadFile(examples.Files, name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, r.Bytes()) {
		t.Errorf("%s is not what the generator makes: run go test ./examples -update", name)
	}
}

// inventory is a host's first scan in its family's messages.
func inventory(h *fleet.Host, n int, at time.Time) [][]byte {
	scan := 1000 * n
	if h.Family == fleet.ScanFamily {
		m := [][]byte{
			fleet.Scan("hardware", scan, at, h.Hardware(2210340).Row(h.Family)),
			fleet.Scan("OS", scan+1, at, h.System().Row()),
			fleet.Scan("network", scan+2, at, h.Interface(0).Row(h.Family)),
		}
		if n%5 == 2 {
			m = append(m, fleet.Scan("network", scan+2, at, h.Interface(1).Row(h.Family)))
		}
		return append(m,
			fleet.ScanEnd("network", scan+2, at),
			fleet.Scan("program", scan+3, at, h.Package(n).Row(h.Family)),
			fleet.Scan("program", scan+3, at, h.Package(n+1).Row(h.Family)),
			fleet.ScanEnd("program", scan+3, at),
			fleet.Scan("port", scan+4, at, h.Port(0).Row(h.Family)),
			fleet.Scan("port", scan+4, at, h.Port(1).Row(h.Family)),
			fleet.ScanEnd("port", scan+4, at),
			fleet.Scan("process", scan+5, at, h.Process(1).Row(h.Family)),
			fleet.ScanEnd("process", scan+5, at),
		)
	}
	return [][]byte{
		fleet.Delta("hwinfo", fleet.Inserted, at, h.Hardware(901224).Row(h.Family)),
		fleet.Delta("osinfo", fleet.Inserted, at, h.System().Row()),
		fleet.Delta("network_iface", fleet.Inserted, at, h.Interface(0).Row(h.Family)),
		fleet.Delta("network_protocol", fleet.Inserted, at, h.Interface(0).ProtocolRow()),
		fleet.Delta("network_address", fleet.Inserted, at, h.Interface(0).AddressRow()),
		fleet.Delta("packages", fleet.Inserted, at, h.Package(n).Row(h.Family)),
		fleet.Delta("ports", fleet.Inserted, at, h.Port(0).Row(h.Family)),
		fleet.Delta("ports", fleet.Inserted, at, h.Port(1).Row(h.Family)),
		fleet.Delta("ports", fleet.Inserted, at, h.Port(2).Row(h.Family)),
		fleet.Delta("processes", fleet.Inserted, at, h.Process(1).Row(h.Family)),
	}
}

// docker is the message about a host's docker0 in a state.
func docker(n int, state string, at time.Time) [][]byte {
	h := fleet.NewHost(n)
	i := h.Interface(1)
	i.State, i.Packets = state, n
	if h.Family == fleet.DeltaFamily {
		op := fleet.Inserted
		if state == "down" {
			op = fleet.Modified
		}
		return [][]byte{fleet.Delta("network_iface", op, at, i.Row(h.Family))}
	}
	scan := int(at.Unix())
	return [][]byte{
		fleet.Scan("network", scan, at, h.Interface(0).Row(h.Family)),
		fleet.Scan("network", scan, at, i.Row(h.Family)),
		fleet.ScanEnd("network", scan, at),
	}
}

// peers is the manager's own port scan: expected peers always, unexpected
// ones in the first scan.
func peers(at time.Time, scan int) [][]byte {
	ips := []string{"10.0.0.42", "192.0.2.10", "203.0.113.77", "198.51.100.9"}
	if scan > 1 {
		ips = ips[:2]
	}
	var m [][]byte
	for i, ip := range ips {
		p := fleet.Port{Protocol: "tcp", LocalIP: "10.0.0.5", LocalPort: 1514, RemoteIP: ip, RemotePort: 41520 + i,
			Inode: 38210 + i, State: "established"}
		m = append(m, fleet.Scan("port", scan, at, p.Row(fleet.ScanFamily)))
	}
	other := fleet.Port{Protocol: "tcp", LocalIP: "10.0.0.5", LocalPort: 15140, RemoteIP: "203.0.113.77", RemotePort: 52100,
		Inode: 38301, State: "established"}
	leaving := fleet.Port{Protocol: "tcp", LocalIP: "10.0.0.5", LocalPort: 1514, RemoteIP: "203.0.113.78", RemotePort: 52101,
		Inode: 38302, State: "time_wait"}
	return append(m,
		fleet.Scan("port", scan, at, other.Row(fleet.ScanFamily)),
		fleet.Scan("port", scan, at, leaving.Row(fleet.ScanFamily)),
		fleet.ScanEnd("port", scan, at))
}

// TestSampleEventsDecode: all but the two broken ones, each to its agent.
func TestSampleEventsDecode(t *testing.T) {
	data, err := fs.ReadFile(examples.Files, "events/fleet.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	d := syscollector.NewDecoder(syscollector.Options{Manager: "manager"})
	reasons, families, agents := map[string]int{}, map[syscollector.Family]int{}, map[string]bool{}
	for line := range bytes.Lines(data) {
		var r record
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		ev, err := d.Decode([]byte(r.Payload), syscollector.Meta{Time: r.TS, Key: []byte(r.Key)})
		var bad *syscollector.Error
		switch {
		case errors.As(err, &bad):
			reasons[bad.Reason]++
		case err != nil || ev == nil:
			t.Fatalf("%s: %v %v", r.Payload, ev, err)
		case ev.Agent.ID != r.Key:
			t.Errorf("%s: agent %q, want %q", r.Payload, ev.Agent.ID, r.Key)
		default:
			families[ev.Family]++
			agents[ev.Agent.ID] = true
		}
	}
	if len(agents) != 41 || families[syscollector.FamilyScan] == 0 || families[syscollector.FamilyDelta] == 0 {
		t.Errorf("%d agents, families %v", len(agents), families)
	}
	if want := map[string]int{"invalid-json": 1, "foreign-location": 1}; !maps.Equal(reasons, want) {
		t.Errorf("dead letters %v, want %v", reasons, want)
	}
}
