package syscollector_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"invigil/pipeline/syscollector"
)

// Messages of the envelope tests, and when the envelopes say that they came.
const (
	portMessage  = `{"type":"port","ID":7,"timestamp":"2019/06/14 16:31:00","port":{"protocol":"tcp","local_ip":"0.0.0.0","local_port":22}}`
	deltaMessage = `{"data":{"local_ip":"0.0.0.0","local_port":22,"protocol":"tcp"},"operation":"INSERTED","type":"dbsync_ports"}`
	june14       = 1560529818000 // 2019-06-14 16:30:18 UTC
	march20      = 1710921606482 // 2024-03-20 08:00:06.482 UTC
	recordTime   = 1700000000000
)

// quoted is a JSON string of the text.
func quoted(t string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(t) + `"`
}

func archives(message string) string {
	return `{"timestamp":"2024-03-20T08:00:06.482+0000","agent":{"id":"001","name":"web","ip":"10.0.0.5"},"manager":{"name":"wz"},"id":"1710921606.1","full_log":` +
		quoted(message) + `,"decoder":{"name":"syscollector"},"location":"syscollector"}`
}

func TestEveryEnvelopeGivesItsEvent(t *testing.T) {
	type want struct {
		id, name, ip, location string
		time                   int64
		log                    string // "" = portMessage
		invisible              bool
	}
	remote := want{id: "001", name: "web", location: "(web) any->syscollector", time: recordTime}
	manager := want{id: "000", name: "wz", location: "syscollector", time: recordTime}
	unnamed := func(id string) want { return want{id: id, location: "syscollector", time: recordTime} }
	archived := want{id: "001", name: "web", ip: "10.0.0.5", location: "(web) 10.0.0.5->syscollector", time: march20}
	archiveLine := "2019 Jun 14 16:30:18 (web) any->syscollector " + portMessage

	tests := []struct {
		name  string
		value string
		meta  syscollector.Meta
		old   bool
		want  want
	}{
		{"a queue line of a remote agent", `d:[001] (web) any->syscollector:` + portMessage, syscollector.Meta{}, false, remote},
		{"a queue line with an address", `d:[001] (web) 10.0.0.0/24->syscollector:` + portMessage, syscollector.Meta{}, false,
			want{id: "001", name: "web", ip: "10.0.0.0/24", location: "(web) 10.0.0.0/24->syscollector", time: recordTime}},
		{"a queue line of the manager", `d:syscollector:` + portMessage, syscollector.Meta{}, false, manager},
		{"a queue line without an id goes by the configured name", `d:(db) any->syscollector:` + portMessage, syscollector.Meta{}, false,
			want{id: "017", name: "db", location: "(db) any->syscollector", time: recordTime}},
		{"a queue line that escapes an IPv6 source", `d:[001] (web) fe80|:|:1->syscollector:` + portMessage, syscollector.Meta{}, false,
			want{id: "001", name: "web", ip: "fe80::1", location: "(web) fe80::1->syscollector", time: recordTime}},
		{"a queue line that escapes a bar", `d:[001] (we||b) any->syscollector:` + portMessage, syscollector.Meta{}, false,
			want{id: "001", name: "we|b", location: "(we|b) any->syscollector", time: recordTime}},
		{"3.9 keeps bars as they are", `d:[001] (we||b) any->syscollector:` + portMessage, syscollector.Meta{}, true,
			want{id: "001", name: "we||b", location: "(we||b) any->syscollector", time: recordTime}},
		{"a name ends at the first parenthesis", `d:[001] (a(b)) any->syscollector:` + portMessage, syscollector.Meta{}, false,
			want{id: "001", name: "a(b", ip: " any", location: "(a(b)) any->syscollector", time: recordTime}},
		{"a name may hold an arrow", `d:[001] (a->b) any->syscollector:` + portMessage, syscollector.Meta{}, false,
			want{id: "001", name: "a->b", location: "(a->b) any->syscollector", time: recordTime}},
		{"blanks after the location belong to the message", `d:[001] (web) any->syscollector:  ` + portMessage, syscollector.Meta{}, false,
			want{id: "001", name: "web", location: "(web) any->syscollector", time: recordTime, log: "  " + portMessage}},
		{"text after the object stays in the message", `d:[001] (web) any->syscollector:` + portMessage + " x", syscollector.Meta{}, false,
			want{id: "001", name: "web", location: "(web) any->syscollector", time: recordTime, log: portMessage + " x"}},
		{"a line end is no part of the message", `d:[001] (web) any->syscollector:` + portMessage + "\r\n", syscollector.Meta{}, false, remote},
		{"a byte order mark and control bytes before the line", "\ufeff\x01 " + `d:[001] (web) any->syscollector:` + portMessage, syscollector.Meta{}, false, remote},
		{"the dbsync queue is never rule input", `5:[001] (web) any->syscollector:{"component":"syscollector_ports","type":"state","data":{"attributes":{"protocol":"tcp"}}}`, syscollector.Meta{}, false,
			want{id: "001", name: "web", location: "(web) any->syscollector", time: recordTime, invisible: true,
				log: `{"component":"syscollector_ports","type":"state","data":{"attributes":{"protocol":"tcp"}}}`}},

		{"archives.log of a remote agent goes by name", archiveLine, syscollector.Meta{}, false,
			want{id: "web", name: "web", location: "(web) any->syscollector", time: june14}},
		{"archives.log of a configured agent", strings.Replace(archiveLine, "(web)", "(db)", 1), syscollector.Meta{}, false,
			want{id: "017", name: "db", location: "(db) any->syscollector", time: june14}},
		{"archives.log of a configured agent with a parenthesis", strings.Replace(archiveLine, "(web)", "(a(b))", 1), syscollector.Meta{}, false,
			want{id: "018", name: "a(b", ip: " any", location: "(a(b)) any->syscollector", time: june14}},
		{"archives.log of an agent with blanks in its name", strings.Replace(archiveLine, "(web)", "(my (old) web)", 1), syscollector.Meta{}, false,
			want{id: "my (old", name: "my (old", ip: "web) any", location: "(my (old) web) any->syscollector", time: june14}},
		{"archives.log of the manager", "2019 Jun 14 16:30:18 wz->syscollector " + portMessage, syscollector.Meta{}, false,
			want{id: "000", name: "wz", location: "syscollector", time: june14}},
		{"archives.log in two lines of one value", "2019 Jun 14 16:30:18 wz->syscollector \n" + portMessage, syscollector.Meta{}, false,
			want{id: "000", name: "wz", location: "syscollector", time: june14}},
		{"archives.log in two lines without the blank", "2019 Jun 14 16:30:18 wz->syscollector\r\n" + portMessage, syscollector.Meta{}, false,
			want{id: "000", name: "wz", location: "syscollector", time: june14}},
		{"the header's id goes before the name", archiveLine, syscollector.Meta{AgentID: "033", Key: []byte("044")}, false,
			want{id: "033", name: "web", location: "(web) any->syscollector", time: june14}},
		{"the record's key goes before the name", archiveLine, syscollector.Meta{Key: []byte("044")}, false,
			want{id: "044", name: "web", location: "(web) any->syscollector", time: june14}},
		{"a key that is no agent id is passed over", archiveLine, syscollector.Meta{Key: []byte("44")}, false,
			want{id: "web", name: "web", location: "(web) any->syscollector", time: june14}},

		{"archives.json", archives(portMessage), syscollector.Meta{Key: []byte("044")}, false, archived},
		{"archives.json of the manager", strings.Replace(archives(portMessage), `{"id":"001","name":"web","ip":"10.0.0.5"}`, `{"id":"000","name":"wz"}`, 1), syscollector.Meta{}, false,
			want{id: "000", name: "wz", location: "syscollector", time: march20}},
		{"alerts.json with another zone", strings.Replace(archives(portMessage), `.482+0000`, `.482-0130`, 1), syscollector.Meta{}, false,
			want{id: "001", name: "web", ip: "10.0.0.5", location: archived.location, time: march20 + 90*60*1000}},
		{"a time that cannot be read is the record's", strings.Replace(archives(portMessage), `2024-03-20T`, `20 March `, 1), syscollector.Meta{}, false,
			want{id: "001", name: "web", ip: "10.0.0.5", location: archived.location, time: recordTime}},

		{"a bare event goes by the record's key", portMessage, syscollector.Meta{Key: []byte("0123456789")}, false, unnamed("0123456789")},
		{"a bare event goes by the record's header", portMessage, syscollector.Meta{AgentID: "x1"}, false, unnamed("x1")},
		{"a bare event of nobody goes to the default agent", portMessage, syscollector.Meta{}, false, unnamed("999")},
		{"a bare event with an agent of its own", `{"agent":{"id":"005","name":"app","ip":"10.1.1.1"},` + portMessage[1:], syscollector.Meta{AgentID: "033"}, false,
			want{id: "005", name: "app", ip: "10.1.1.1", location: "(app) 10.1.1.1->syscollector", time: recordTime, log: `{"agent":{"id":"005","name":"app","ip":"10.1.1.1"},` + portMessage[1:]}},
		{"a bare event with an agent that has a name only", `{"agent":{"name":"db"},` + portMessage[1:], syscollector.Meta{}, false,
			want{id: "017", name: "db", location: "(db) any->syscollector", time: recordTime, log: `{"agent":{"name":"db"},` + portMessage[1:]}},
		{"an agent with a type is a shipper's", `{"agent":{"id":"005","name":"box","type":"filebeat"},` + portMessage[1:], syscollector.Meta{}, false,
			want{id: "999", location: "syscollector", time: recordTime, log: `{"agent":{"id":"005","name":"box","type":"filebeat"},` + portMessage[1:]}},
		{"an agent with a UUID is a shipper's", `{"agent":{"id":"7f0c2a9e-11","name":"box"},` + portMessage[1:], syscollector.Meta{}, false,
			want{id: "999", location: "syscollector", time: recordTime, log: `{"agent":{"id":"7f0c2a9e-11","name":"box"},` + portMessage[1:]}},

		{"Filebeat around archives.json", `{"@timestamp":"2030-01-01T00:00:00.000Z","@metadata":{"beat":"filebeat"},"agent":{"id":"7f0c","name":"box","type":"filebeat"},"log":{"file":{"path":"/x"}},"message":` + quoted(archives(portMessage)) + `}`, syscollector.Meta{}, false, archived},
		{"Filebeat with the line's members at the root", `{"@timestamp":"2030-01-01T00:00:00.000Z","agent":{"id":"7f0c","name":"box","type":"filebeat"},` + strings.Replace(archives(portMessage), `"agent":{"id":"001","name":"web","ip":"10.0.0.5"},`, "", 1)[1:], syscollector.Meta{Key: []byte("001")}, false,
			want{id: "001", location: "syscollector", time: march20}},
		{"Filebeat around archives.log", `{"@timestamp":"2030-01-01T00:00:00.000Z","message":` + quoted(archiveLine) + `}`, syscollector.Meta{}, false,
			want{id: "web", name: "web", location: "(web) any->syscollector", time: june14}},
		{"Logstash with the line in event.original", `{"@version":"1","@timestamp":"2030-01-01T00:00:00.000Z","event":{"original":` + quoted(`d:[001] (web) any->syscollector:`+portMessage) + `}}`, syscollector.Meta{}, false, remote},
		{"Logstash with a flat event.original", `{"event.original":` + quoted(portMessage) + `}`, syscollector.Meta{Key: []byte("001")}, false, unnamed("001")},
		{"Logstash in plain text", `2024-03-20T08:00:06.482Z box ` + archives(portMessage), syscollector.Meta{}, false, archived},
		{"rsyslog before archives.log", `2024-03-20T08:00:06.482123+00:00 box wazuh: ` + archiveLine, syscollector.Meta{}, false,
			want{id: "web", name: "web", location: "(web) any->syscollector", time: june14}},
		{"rsyslog before a queue line", `<13>Mar 20 08:00:06 box wazuh: d:[001] (web) any->syscollector:` + portMessage, syscollector.Meta{}, false, remote},
		{"rsyslog with a brace in the tag", `2024-03-20T08:00:06Z box app{1}: ` + portMessage, syscollector.Meta{}, false, unnamed("999")},
		{"Fluent Bit", `{"@timestamp":"2030-01-01T00:00:00.000Z","log":` + quoted(archives(portMessage)) + `}`, syscollector.Meta{}, false, archived},
		{"Vector", `{"message":` + quoted(archives(portMessage)) + `,"timestamp":"2030-01-01T00:00:00Z","host":"box","file":"/x","source_type":"file"}`, syscollector.Meta{}, false, archived},

		{"a delta of the bus", `{"agent_info":{"agent_id":"009","agent_ip":"10.9.9.9","agent_name":"bus"},"data_type":"dbsync_ports","data":{"protocol":"tcp"},"operation":"INSERTED"}`, syscollector.Meta{}, false,
			want{id: "009", name: "bus", ip: "10.9.9.9", location: "(bus) 10.9.9.9->syscollector", time: recordTime,
				log: `{"agent_info":{"agent_id":"009","agent_ip":"10.9.9.9","agent_name":"bus"},"data_type":"dbsync_ports","data":{"protocol":"tcp"},"operation":"INSERTED"}`}},
		{"a row of the bus with an id only", `{"agent_info":{"agent_id":"009"},"data_type":"state","data":{"attributes_type":"syscollector_ports","attributes":{"protocol":"tcp"},"timestamp":""}}`, syscollector.Meta{}, false,
			want{id: "009", location: "syscollector", time: recordTime, invisible: true,
				log: `{"agent_info":{"agent_id":"009"},"data_type":"state","data":{"attributes_type":"syscollector_ports","attributes":{"protocol":"tcp"},"timestamp":""}}`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := syscollector.Options{
				Agents:       map[string]string{"db": "017", "a(b)": "018"},
				DefaultAgent: "999", Manager: "wz",
			}
			if tt.old {
				o.Compat = syscollector.Compat39
			}
			d := syscollector.NewDecoder(o)
			tt.meta.Time = recordTime
			e, err := d.Decode([]byte(tt.value), tt.meta)
			if err != nil || e == nil {
				t.Fatalf("not decoded: %v", err)
			}
			got := want{e.Agent.ID, e.Agent.Name, e.Agent.IP, e.Location, e.Time, e.Log, !e.Visible}
			if tt.want.log == "" {
				tt.want.log = portMessage
			}
			if got != tt.want {
				t.Errorf("\n got %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestArchiveTimesAreReadInTheirZone(t *testing.T) {
	zone := time.FixedZone("+0200", 2*60*60)
	d := syscollector.NewDecoder(syscollector.Options{Zone: zone})
	e, err := d.Decode([]byte("2019 Jun 14 16:30:18 wz->syscollector "+portMessage), syscollector.Meta{})
	if err != nil {
		t.Fatal(err)
	}
	if want := int64(june14 - 2*60*60*1000); e.Time != want {
		t.Errorf("time %d, want %d", e.Time, want)
	}
}

func TestAgentLabelsAndGroupsAreTaken(t *testing.T) {
	d := syscollector.NewDecoder(syscollector.Options{})
	value := strings.Replace(archives(portMessage), `"ip":"10.0.0.5"`,
		`"ip":"10.0.0.5","labels":{"group":"web,linux","aws":{"zone":"eu","n":3},"tags":["a","b"],"none":null}`, 1)
	e, err := d.Decode([]byte(value), syscollector.Meta{})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(e.Agent.Groups, " "); got != "web linux" {
		t.Errorf("groups %q", got)
	}
	var labels []string
	for _, l := range e.Agent.Labels {
		labels = append(labels, l.Key+"="+l.Value)
	}
	if got := strings.Join(labels, " "); got != "group=web,linux aws.zone=eu aws.n=3 tags=a,b" {
		t.Errorf("labels %q", got)
	}
	if e, err = d.Decode([]byte(portMessage), syscollector.Meta{AgentID: "001"}); err != nil || e.Agent.Groups != nil || e.Agent.Labels != nil {
		t.Errorf("groups %v and labels %v of the event before (%v)", e.Agent.Groups, e.Agent.Labels, err)
	}
}

func TestRefusedValuesSayWhy(t *testing.T) {
	tests := []struct {
		name, value, reason string
		foreign             bool
	}{
		{"nothing", "", syscollector.ReasonEnvelope, false},
		{"blanks", " \n", syscollector.ReasonEnvelope, false},
		{"prose", "hello", syscollector.ReasonEnvelope, false},
		{"another queue", `1:[001] (web) any->/var/log/x:` + portMessage, syscollector.ReasonQueue, true},
		{"another module on our queue", `d:[001] (web) any->syscheck:` + portMessage, syscollector.ReasonForeign, true},
		{"a location without an end", `d:[001] (web) any->syscollector`, syscollector.ReasonLocation, false},
		{"a location without an agent id", `d:[] (web) any->syscollector:` + portMessage, syscollector.ReasonLocation, false},
		{"an IPv6 source without escapes", `d:[012] (x) ::1->syscollector:` + portMessage, syscollector.ReasonLocation, false},
		{"a queue line without a message", `d:[001] (web) any->syscollector:`, syscollector.ReasonJSON, false},
		{"another module in archives.log", "2019 Jun 14 16:30:18 (web) any->/var/log/syslog text " + portMessage, syscollector.ReasonForeign, true},
		{"a forged arrow in another module's line", "2019 Jun 14 16:30:18 (web) any->/var/log/syslog x ->syscollector " + portMessage, syscollector.ReasonForeign, true},
		{"the same behind a shipper's text", "2024-03-20T08:00:06Z box tag: 2019 Jun 14 16:30:18 (web) any->/var/log/syslog " + portMessage, syscollector.ReasonForeign, true},
		{"a month that is none", "2019 Jux 14 16:30:18 wz->syscollector " + portMessage, syscollector.ReasonEnvelope, false},
		{"another module in archives.json", strings.Replace(archives(portMessage), `"location":"syscollector"`, `"location":"/var/log/auth.log"`, 1), syscollector.ReasonForeign, true},
		{"another decoder in archives.json", strings.Replace(strings.Replace(archives(portMessage), `,"location":"syscollector"`, "", 1), `{"name":"syscollector"}`, `{"name":"sshd"}`, 1), syscollector.ReasonForeign, true},
		{"an alert without its message", `{"rule":{"id":"5"},"decoder":{"name":"syscollector"},"data":{"type":"port"},"location":"syscollector"}`, syscollector.ReasonLog, false},
		{"another module's alert without its message", `{"rule":{"id":"5"},"location":"/var/log/auth.log"}`, syscollector.ReasonForeign, true},
		{"archives.json with a text that is no message", archives("sshd: failed"), syscollector.ReasonJSON, false},
		{"a line wrapped twice", `{"message":` + quoted(`{"message":`+quoted(portMessage)+`}`) + `}`, syscollector.ReasonType, false},
		{"a 5.x agent's message", `{"collector":"ports","module":"inventory","data":{"event":{"type":"created","changed_fields":[]}}}`, syscollector.ReasonFormat5, false},
		{"a 5.x agent's message in archives.json", archives(`{"collector":"ports","module":"inventory","data":{"event":{"type":"created"}}}`), syscollector.ReasonFormat5, false},
		{"an object that is none of ours", `{"a":1}`, syscollector.ReasonType, false},
		{"a type in other letters", `{"type":"PORT","ID":1}`, syscollector.ReasonType, false},
		{"a type that is a number", `{"type":5}`, syscollector.ReasonType, false},
		{"a table that is none", `{"type":"dbsync_unknown","operation":"INSERTED","data":{}}`, syscollector.ReasonType, false},
		{"an end that no scan has", `{"type":"hardware_end","ID":1}`, syscollector.ReasonType, false},
		{"a port without an ID", `{"type":"port","port":{}}`, syscollector.ReasonScanID, false},
		{"a port with a text for an ID", `{"type":"port","ID":"7","port":{}}`, syscollector.ReasonScanID, false},
		{"a hotfix without an ID", `{"type":"hotfix","hotfix":"KB1"}`, syscollector.ReasonScanID, false},
		{"a network end without an ID", `{"type":"network_end"}`, syscollector.ReasonScanID, false},
		{"a network message without an interface", `{"type":"network","ID":1}`, syscollector.ReasonBody, false},
		{"a network message whose interface is a list", `{"type":"network","ID":1,"iface":[]}`, syscollector.ReasonBody, false},
		{"a delta without an operation", `{"type":"dbsync_ports","data":{}}`, syscollector.ReasonOperation, false},
		{"a delta whose operation is a number", `{"type":"dbsync_ports","data":{},"operation":5}`, syscollector.ReasonOperation, false},
		{"a delta without data", `{"type":"dbsync_ports","operation":"INSERTED"}`, syscollector.ReasonBody, false},
		{"a delta whose data is a list", `{"type":"dbsync_ports","operation":"INSERTED","data":[]}`, syscollector.ReasonBody, false},
		{"a state row without attributes", `{"type":"state","component":"syscollector_ports","data":{}}`, syscollector.ReasonBody, false},
		{"a state row of another component", `{"type":"state","component":"fim_file","data":{}}`, syscollector.ReasonComponent, true},
		{"a state row of no table", `{"type":"state","component":"syscollector_x","data":{}}`, syscollector.ReasonType, false},
		{"a state row without a component", `{"type":"state","data":{}}`, syscollector.ReasonType, false},
		{"a bus message of no type", `{"agent_info":{},"data_type":"x"}`, syscollector.ReasonType, false},
		{"an event of nobody", portMessage, syscollector.ReasonAgent, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := syscollector.Meta{AgentID: "001"}
			if tt.reason == syscollector.ReasonAgent {
				m = syscollector.Meta{}
			}
			e, err := syscollector.NewDecoder(syscollector.Options{}).Decode([]byte(tt.value), m)
			var got *syscollector.Error
			if e != nil || !errors.As(err, &got) {
				t.Fatalf("decoded %v, error %v", e, err)
			}
			if got.Reason != tt.reason || got.Foreign() != tt.foreign {
				t.Errorf("got %v (foreign %v), want %s", got, got.Foreign(), tt.reason)
			}
		})
	}
}

func TestValuesAboveTheLimitAreRefused(t *testing.T) {
	d := syscollector.NewDecoder(syscollector.Options{MaxBytes: len(portMessage), DefaultAgent: "001"})
	if _, err := d.Decode([]byte(portMessage), syscollector.Meta{}); err != nil {
		t.Fatal(err)
	}
	_, err := d.Decode([]byte(portMessage+" "), syscollector.Meta{})
	var e *syscollector.Error
	if !errors.As(err, &e) || e.Reason != syscollector.ReasonTooLarge {
		t.Errorf("error %v", err)
	}
	members := `{"type":"port","ID":1,"x":{` + strings.Repeat(`"a":0,`, 1<<16) + `"a":0}}`
	_, err = syscollector.NewDecoder(syscollector.Options{}).Decode([]byte(members), syscollector.Meta{})
	if !errors.As(err, &e) || e.Reason != syscollector.ReasonTooLarge {
		t.Errorf("error %v", err)
	}
	addresses := `{"type":"network","ID":1,"iface":{"name":"e","IPv4":{"address":[` + strings.Repeat(`"10.0.0.1",`, 2000) + `"10.0.0.1"]}}}`
	_, err = syscollector.NewDecoder(syscollector.Options{}).Decode([]byte(addresses), syscollector.Meta{})
	if !errors.As(err, &e) || e.Reason != syscollector.ReasonTooLarge {
		t.Errorf("error %v", err)
	}
}

// step is one value of a stream; id is the agent of its event, "wait" for a
// header that waits, "error" for a value that is refused.
type step struct{ value, id string }

func TestAHeaderWaitsForItsMessage(t *testing.T) {
	const head = "2019 Jun 14 16:30:18 (web) any->syscollector "
	tests := []struct {
		name    string
		steps   []step
		dropped int
	}{
		{"the next object is its message", []step{{head, "wait"}, {portMessage, "web"}, {portMessage, "999"}}, 0},
		{"the manager's too", []step{{"2019 Jun 14 16:30:18 wz->syscollector", "wait"}, {portMessage, "000"}}, 0},
		{"a second header takes its place", []step{{head, "wait"}, {strings.Replace(head, "web", "db", 1), "wait"}, {portMessage, "db"}}, 1},
		{"a complete line ends the waiting", []step{{head, "wait"}, {archives(portMessage), "001"}, {portMessage, "999"}}, 1},
		{"a queue line ends the waiting", []step{{head, "wait"}, {`d:[002] (x) any->syscollector:` + portMessage, "002"}, {portMessage, "999"}}, 1},
		{"a broken object ends the waiting", []step{{head, "wait"}, {`{"type":`, "error"}, {portMessage, "999"}}, 1},
		{"shippers wrap each line", []step{{`{"message":` + quoted(head) + `}`, "wait"}, {`{"message":` + quoted(portMessage) + `}`, "web"}}, 0},
		{"an agent of its own counts more", []step{{head, "wait"}, {`{"agent":{"id":"005"},` + portMessage[1:], "005"}}, 0},
	}
	for _, tt := range tests {
		for _, restarted := range []bool{false, true} {
			name := tt.name
			if restarted {
				name += ", over restarts"
			}
			t.Run(name, func(t *testing.T) {
				o := syscollector.Options{DefaultAgent: "999"}
				d := syscollector.NewDecoder(o)
				dropped := 0
				for i, s := range tt.steps {
					e, err := d.Decode([]byte(s.value), syscollector.Meta{})
					got := "wait"
					if err != nil {
						got = "error"
					} else if e != nil {
						got = e.Agent.ID
						if s.id == "web" && e.Time != june14 {
							t.Errorf("step %d: time %d", i, e.Time)
						}
					}
					if got != s.id {
						t.Errorf("step %d: got %q, want %q (%v)", i, got, s.id, err)
					}
					if (d.Pending() != nil) != (s.id == "wait") {
						t.Errorf("step %d: pending %q", i, d.Pending())
					}
					if restarted {
						dropped += d.Dropped()
						head := append([]byte(nil), d.Pending()...)
						d = syscollector.NewDecoder(o)
						d.Resume(head)
					}
				}
				if dropped += d.Dropped(); dropped != tt.dropped {
					t.Errorf("%d headers dropped, want %d", dropped, tt.dropped)
				}
			})
		}
	}
}
