package file

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"invigil/connectors"
)

func TestKafkaRecordsAsKcatPrintsThem(t *testing.T) {
	plain := connectors.Message{Topic: "t", Value: []byte("x")}
	full := connectors.Message{
		Topic: "wazuh", Partition: 2, Offset: 1 << 40, Time: 1700000000123, Key: []byte("001"), Value: []byte(`{"a":"b\n"}`),
		Headers: []connectors.Header{{Key: "agent.id", Value: []byte("001")}, {Key: "none"}, {Key: "", Value: []byte("\u00e9")}},
	}
	for _, tt := range []struct {
		name string
		line string
		want *connectors.Message // nil: no record
	}{
		{"everything", `{"topic":"wazuh","partition":2,"offset":1099511627776,"tstype":"create","ts":1700000000123,"broker":1,"headers":["agent.id","001","none",null,"","\u00e9"],"key":"001","payload":"{\"a\":\"b\\n\"}"}`, &full},
		{"another order, blanks, unknown members", ` { "payload" : "x" , "more" : {"a":[1,true,{}],"b":[]}, "offset" : 0,"partition":0, "topic":"t" } `, &plain},
		{"no value", `{"topic":"t","partition":0,"offset":0,"payload":null}`, &connectors.Message{Topic: "t"}},
		{"an empty value", `{"topic":"t","partition":0,"offset":0,"payload":""}`, &connectors.Message{Topic: "t", Value: []byte{}}},
		{"no headers", `{"topic":"t","partition":0,"offset":0,"headers":null,"payload":"x"}`, &plain},
		{"empty headers", `{"topic":"t","partition":0,"offset":0,"headers":[],"payload":"x"}`, &plain},
		{"every escape", `{"topic":"t","partition":0,"offset":0,"payload":"\"\\\/\b\f\n\r\t\u0041\ud83d\ude00\u0000"}`, &connectors.Message{Topic: "t", Value: []byte("\"\\/\b\f\n\r\tA\U0001F600\x00")}},
		{"bytes that are not UTF-8", "{\"topic\":\"t\",\"partition\":0,\"offset\":0,\"payload\":\"\xff\x01\"}", &connectors.Message{Topic: "t", Value: []byte("\xff\x01")}},
		{"an event", `{"type":"port","ID":1,"topic":"t","partition":0,"offset":0,"payload":"x"}`, nil},
		{"no topic", `{"partition":0,"offset":0,"payload":"x"}`, nil},
		{"no partition", `{"topic":"t","offset":0,"payload":"x"}`, nil},
		{"no offset", `{"topic":"t","partition":0,"payload":"x"}`, nil},
		{"no payload", `{"topic":"t","partition":0,"offset":0}`, nil},
		{"a payload that is an object", `{"topic":"t","partition":0,"offset":0,"payload":{}}`, nil},
		{"a negative partition", `{"topic":"t","partition":-1,"offset":0,"payload":"x"}`, nil},
		{"a negative offset", `{"topic":"t","partition":0,"offset":-5,"payload":"x"}`, nil},
		{"an offset that is no integer", `{"topic":"t","partition":0,"offset":1.5,"payload":"x"}`, nil},
		{"headers that are no pairs", `{"topic":"t","partition":0,"offset":0,"headers":["a"],"payload":"x"}`, nil},
		{"a lone surrogate", `{"topic":"t","partition":0,"offset":0,"payload":"\ud83d"}`, nil},
		{"an unknown escape", `{"topic":"t","partition":0,"offset":0,"payload":"\x"}`, nil},
		{"something behind it", `{"topic":"t","partition":0,"offset":0,"payload":"x"}x`, nil},
		{"cut short", `{"topic":"t","partition":0,"offset":0,"payload":"x`, nil},
		{"a trailing comma", `{"topic":"t","partition":0,"offset":0,"payload":"x",}`, nil},
		{"too deep", `{"topic":"t","partition":0,"offset":0,"payload":"x","z":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`, nil},
		{"an array", `["topic"]`, nil},
		{"nothing", ``, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var p parser
			m, ok := p.record([]byte(tt.line))
			if ok != (tt.want != nil) {
				t.Fatalf("a record: %v, want %v", ok, tt.want != nil)
			}
			if ok {
				if d := cmp.Diff(*tt.want, m); d != "" {
					t.Error(d)
				}
			} else if len(p.headers) > 0 && tt.want == nil {
				p.add([]byte(tt.line))
				if got := p.messages[0]; got.Headers != nil || string(got.Value) != tt.line {
					t.Errorf("the plain line became %+v", got)
				}
			}
		})
	}
}

// FuzzRecord holds the parser against encoding/json.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"topic":"t","partition":0,"offset":0,"tstype":"create","ts":1,"broker":1,"headers":["a","b"],"key":"k","payload":"x\n"}`))
	f.Add([]byte(`{"payload":null,"topic":"\u00e9","partition":2147483647,"offset":1,"more":[{"a":1e5}]}`))
	f.Add([]byte(`{"topic":"t","partition":0,"offset":0,"payload":"\ud83d\ude00","key":null}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		var p parser
		m, ok := p.record(line)
		if !ok || !utf8.Valid(line) {
			return // what is no record passes as it is
		}
		var ref struct {
			Topic     *string
			Partition *int32
			Offset    *int64
			Key       *string
			Payload   *string
			Headers   []*string
		}
		if err := json.Unmarshal(line, &ref); err != nil {
			return // more is taken: raw control bytes, numbers of any shape in unknown members
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(line, &members); err != nil {
			t.Fatal(err)
		}
		for name := range members {
			if strings.ToLower(name) != name {
				return // encoding/json folds names
			}
		}
		if ref.Topic == nil || *ref.Topic != m.Topic || ref.Partition == nil || *ref.Partition != m.Partition || ref.Offset == nil || *ref.Offset != m.Offset {
			t.Fatalf("%s: got %s/%d/%d", line, m.Topic, m.Partition, m.Offset)
		}
		same := func(s *string, b []byte) bool { return (s == nil) == (b == nil) && (s == nil || *s == string(b)) }
		if !same(ref.Payload, m.Value) || !same(ref.Key, m.Key) {
			t.Fatalf("%s: got key %q, value %q", line, m.Key, m.Value)
		}
	})
}
