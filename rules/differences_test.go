package rules_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"invigil/config/source"
	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/rules/rulefile"
)

// difference is a case in which a verdict differs from the original's on
// purpose. Its name is a heading of docs/decisions.md.
type difference struct {
	name   string
	compat syscollector.Compat
	rules  string // what stands in a rule file
	lists  map[string]string
	events []string // seconds, agent and the message as flows write it
	says   []string // what loading says, in part; nothing else
	want   []string // rule and description an event, "" = no alert
	// original is what the original does in the place of says and want, where
	// it can be written so.
	original []string
}

const legacy = syscollector.Compat39

// differences lists them; docs/decisions.md explains each.
var differences = []difference{
	{
		name:     "Three lists or more",
		rules:    rule(100001, `level="5"`, `<if_sid>221</if_sid><list field="port.local_port">none</list><list field="port.local_port">ports</list><list field="port.local_port">ports</list>`),
		lists:    map[string]string{"none": "", "ports": "22:"},
		events:   []string{"0 001 local_port=22"},
		want:     []string{""},
		original: []string{"100001 x"},
	},
	{
		name:     "A variable behind a field",
		rules:    `<var name="X">v1</var>` + described(100001, `level="5"`, `<if_sid>221</if_sid>`, `$(a) then $X`),
		events:   []string{"0 001 local_port=22"},
		want:     []string{"100001  then v1"},
		original: []string{"100001  tv1"},
	},
	{
		name: "A comma at the end of if_sid",
		rules: rule(221, `level="0" noalert="1"`, `<category>ossec</category><decoded_as>syscollector</decoded_as>`) +
			rule(100001, `level="3"`, `<if_sid>221</if_sid><field name="port.local_port">^22$</field>`) +
			rule(100002, `level="5"`, `<if_sid>100001,</if_sid>`),
		events:   []string{"0 001 local_port=22", "1 001 local_port=23"},
		want:     []string{"100002 x", ""},
		original: []string{"100002 x", "100002 x"},
	},
	{
		name:     "Functions compiled into the original",
		rules:    rule(100001, `level="5"`, `<if_sid>221</if_sid><compiled_rule>made_up</compiled_rule>`),
		events:   []string{"0 001 local_port=22"},
		says:     []string{"compiled_rule made_up is not supported yet: the rule never matches"},
		want:     []string{""},
		original: []string{"refuses a name it does not know, calls one that it knows"},
	},
	{
		name: "if_matched_regex and several agents",
		rules: rule(100001, `level="3"`, `<if_sid>221</if_sid>`) +
			rule(100002, `level="10" frequency="3"`, `<if_sid>100001</if_sid><if_matched_regex>listening</if_matched_regex>`),
		events:   []string{"0 001 state=listening", "1 002 state=listening", "2 001 state=listening", "3 002 state=listening", "4 001 state=listening"},
		want:     []string{"100001 x", "100001 x", "100001 x", "100001 x", "100002 x"},
		original: []string{"can hang for ever at the second event"},
	},
	{
		name:     "OS_Regex patterns that take for ever",
		rules:    rule(100001, `level="5"`, `<if_sid>221</if_sid><field name="port.process">^\w*a\w*a\w*a\w*a\w*b|^\S+ \S+$</field>`),
		events:   []string{`0 001 {"type":"port","ID":1,"port":{"process":"` + strings.Repeat("a", 300) + ` b"}}`, `1 001 {"type":"port","ID":1,"port":{"process":"a b"}}`},
		want:     []string{"", "100001 x"},
		original: []string{"100001 x", "100001 x"},
	},
	{
		name:     "PCRE2 that cannot be expressed",
		rules:    rule(100001, `level="5"`, `<if_sid>221</if_sid><field name="port.process" type="pcre2">^(a(?1)?b)$</field>`),
		says:     []string{"pcre2 pattern: not supported yet: "},
		original: []string{"loads the rule"},
	},
	{
		name:     "A byte behind the pattern (3.9.5)",
		compat:   legacy,
		rules:    rule(100001, `level="5"`, `<if_sid>221</if_sid><field name="port.process">^\.*\d\d</field>`),
		events:   []string{"0 001 process=1x", "1 001 process=xx"},
		want:     []string{"100001 x", ""},
		original: []string{"depends on the memory behind the pattern", ""},
	},
	{
		name:     "Stock parents that are not loaded",
		rules:    rule(100001, `level="5"`, `<if_sid>5710</if_sid>`) + rule(100002, `level="5"`, `<if_sid>100001</if_sid>`),
		events:   []string{"0 001 local_port=22"},
		says:     []string{"2 rules for other decoders: no inventory event can reach them"},
		want:     []string{""},
		original: []string{"warns twice and leaves both rules out"},
	},
	{
		name:     "Stock parents that are not loaded",
		compat:   legacy,
		rules:    rule(100001, `level="5"`, `<if_sid>5710, 221</if_sid>`),
		events:   []string{"0 001 local_port=22"},
		want:     []string{"100001 x"},
		original: []string{"refuses to start"},
	},
	{
		name:     "Decoders that are not known",
		rules:    rule(100001, `level="5"`, `<decoded_as>made-up</decoded_as>`),
		events:   []string{"0 001 local_port=22"},
		says:     []string{"1 rule for other decoders: no inventory event can reach them"},
		want:     []string{""},
		original: []string{"refuses the file"},
	},
	{
		name: "Lists of rules for other decoders",
		rules: rule(100001, `level="5"`, `<if_sid>5710</if_sid><list field="srcip">etc/lists/none</list>`) +
			rule(100002, `level="5"`, `<if_sid>100001</if_sid>`),
		says:     []string{"2 rules for other decoders: no inventory event can reach them"},
		original: []string{"warns of the list and leaves both rules out"},
	},
	{
		name:     "Root rules and rule 221",
		rules:    rule(100001, `level="5"`, `<if_sid>221</if_sid>`),
		events:   []string{"0 001 local_port=22"},
		want:     []string{"100001 x"},
		original: []string{"has no rule 221 without its own files"},
	},
	{
		name:   "Letters of same_id and its like",
		rules:  rule(100001, `level="5"`, `<if_sid>221</if_sid>`) + rule(100002, `level="6"`, `<if_matched_sid>100001</if_matched_sid><Same_Id />`),
		events: []string{"0 001 local_port=22", "1 001 local_port=22"}, want: []string{"100001 x", "100001 x"},
		original: []string{"refuses the file"},
	},
	{
		name: "The clock of windows",
		rules: rule(100001, `level="5"`, `<if_sid>221</if_sid>`) +
			rule(100002, `level="6" timeframe="6"`, `<if_matched_sid>100001</if_matched_sid>`),
		events: []string{"1 001 local_port=22", "7.9 001 local_port=22", "20 001 local_port=22", "27 001 local_port=22"},
		want:   []string{"100001 x", "100002 x", "100001 x", "100001 x"},
		// All four are read at one moment: three alerts.
		original: []string{"100001 x", "100002 x", "100002 x", "100002 x"},
	},
	{
		name: "The clock of windows",
		rules: rule(100001, `level="5"`, `<if_sid>221</if_sid>`) +
			rule(100002, `level="6" timeframe="6"`, `<if_matched_sid>100001</if_matched_sid>`),
		// The second is late: it counts at the time of the newest before it.
		events:   []string{"100 001 local_port=22", "50 001 local_port=22", "106 001 local_port=22"},
		want:     []string{"100001 x", "100002 x", "100002 x"},
		original: []string{"knows no late messages"},
	},
	{
		name:     "The clock of time and weekday",
		rules:    rule(100001, `level="5"`, `<if_sid>221</if_sid><time>3:00 - 4:00</time><weekday>thursday</weekday>`), // the epoch began on one
		events:   []string{"10800 001 local_port=22", "14460 001 local_port=22", "97200 001 local_port=22", "10860 001 local_port=22"},
		want:     []string{"100001 x", "", "", "100001 x"},
		original: []string{"looks at the clock when it reads the message"},
	},
	{
		name:     "The database as a gate (3.9.5)",
		compat:   legacy,
		rules:    rule(100001, `level="5"`, `<if_sid>221</if_sid>`),
		events:   []string{"0 001 local_port=22 protocol=tcp inode=1", "1 001 local_port=22 protocol=tcp inode=1"},
		want:     []string{"100001 x", "100001 x"},
		original: []string{"100001 x", ""},
	},
	{
		name:     "Values of the wrong kind (3.9.5)",
		compat:   legacy,
		rules:    rule(100001, `level="5"`, `<if_sid>221</if_sid><field name="port.state">\S</field>`),
		events:   []string{`0 001 {"type":"port","ID":1,"port":{"state":{"a":1}}}`, `1 001 {"type":"port","ID":1,"port":{"state":"up"}}`},
		want:     []string{"", "100001 x"},
		original: []string{"undefined, can crash", "100001 x"},
	},
	{
		name:  "check_diff and agents of one name",
		rules: rule(100001, `level="5"`, `<if_sid>221</if_sid><check_diff />`),
		events: []string{
			`0 d:[001] (web) any->syscollector:{"type":"port","ID":1,"port":{"local_port":1}}`,
			`1 d:[002] (web) any->syscollector:{"type":"port","ID":1,"port":{"local_port":2}}`,
			`2 d:[001] (web) any->syscollector:{"type":"port","ID":1,"port":{"local_port":3}}`,
		},
		want:     []string{"", "", "100001 x"},
		original: []string{"", "100001 x", "100001 x"},
	},
	{
		name:     "An arrow in an agent's name",
		rules:    rule(100001, `level="5"`, `<if_sid>221</if_sid>`),
		events:   []string{`0 d:[001] (web->db) any->syscollector:{"type":"port","ID":1,"port":{"local_port":1}}`},
		want:     []string{"100001 x"},
		original: []string{""},
	},
}

// rule is a rule in a group of its own, described as x.
func rule(id int, attributes, elements string) string {
	return described(id, attributes, elements, "x")
}

func described(id int, attributes, elements, description string) string {
	return fmt.Sprintf("<group name=\"local,\"><rule id=\"%d\" %s>%s<description>%s</description></rule></group>\n", id, attributes, elements, description)
}

func TestVerdictsDifferOnPurpose(t *testing.T) {
	for _, d := range differences {
		t.Run(d.name, func(t *testing.T) {
			set, said := d.load()
			if got := answers(said, d.says); got != "" {
				t.Error(got)
			}
			if said.Err() != nil {
				if len(d.events) > 0 {
					t.Fatal("the rules do not load")
				}
				return
			}
			p := newPartition(t, set, d.compat, newLists(d.lists))
			var got []string
			for _, event := range d.events {
				got = append(got, p.eval(event))
			}
			if diff := cmp.Diff(d.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			if slices.Equal(d.original, got) {
				t.Error("no difference: the original does the same")
			}
		})
	}
}

func (d *difference) load() (*rules.Set, source.Diagnostics) {
	o := rules.Options{Compat: d.compat, Lists: newLists(d.lists)}
	file, said := rules.ReadFile(source.File{Name: "local_rules.xml", Data: []byte(d.rules)}, d.compat)
	set, more := rules.LoadFiles([]*rulefile.File{file}, o)
	return set, append(said, more...)
}

// answers compares what loading said with what it was to say.
func answers(said source.Diagnostics, want []string) string {
	for i, s := range said {
		if i >= len(want) || !strings.Contains(s.Message, want[i]) {
			return "said: " + s.Error()
		}
	}
	if len(said) < len(want) {
		return "not said: " + want[len(said)]
	}
	return ""
}

// partition evaluates messages over a memory of its own.
type partition struct {
	t      *testing.T
	set    *rules.Set
	lists  lists
	mem    *memory
	e      *rules.Evaluator
	compat syscollector.Compat
	offset int64
	now    int64
	last   []rules.Alert
}

func newPartition(t *testing.T, set *rules.Set, compat syscollector.Compat, l lists) *partition {
	p := &partition{t: t, set: set, compat: compat, lists: l, mem: &memory{}}
	p.start()
	return p
}

func (p *partition) start() {
	e, err := p.set.NewEvaluator(p.mem, &memory{})
	if err != nil {
		p.t.Fatal(err)
	}
	p.e = e
}

func (p *partition) restart() {
	if err := p.e.Flush(); err != nil {
		p.t.Fatal(err)
	}
	p.start()
}

// eval returns the rule and the description that the event ends with.
func (p *partition) eval(event string) string {
	at, line, _ := strings.Cut(event, " ")
	seconds, err := strconv.ParseFloat(at, 64)
	if err != nil {
		p.t.Fatal(err)
	}
	if !strings.HasPrefix(line, "d:") {
		line = message(line)
	}
	ev, err := syscollector.NewDecoder(syscollector.Options{Compat: p.compat}).
		Decode([]byte(line), syscollector.Meta{Time: int64(math.Round(seconds * 1000))})
	if err != nil {
		p.t.Fatal(err)
	}
	p.offset++
	p.now = max(p.now, ev.Time)
	p.last, err = p.e.Eval(&rules.Input{
		Event: ev, StreamTime: p.now, Lists: p.lists, Origin: rules.Origin{Topic: "t", Offset: p.offset, Time: ev.Time},
	})
	if err != nil || len(p.last) > 1 {
		p.t.Fatal(p.last, err)
	}
	if len(p.last) == 0 {
		return ""
	}
	return p.last[0].Rule.ID + " " + p.last[0].Rule.Description
}

// counting is a correlation over all agents that fires at the second event.
var counting = difference{rules: rule(100001, `level="5"`, `<if_sid>221</if_sid>`) +
	rule(100002, `level="6" frequency="2"`, `<if_matched_sid>100001</if_matched_sid><global_frequency />`)}

func TestCountersAndWindowsSurviveARestart(t *testing.T) {
	set, _ := counting.load()
	p := newPartition(t, set, 0, nil)
	for i, want := range []string{"100001 x", "100002 x", "100002 x"} {
		if got := p.eval(fmt.Sprint(i, " 001 local_port=22")); got != want {
			t.Errorf("event %d: %q, want %q", i, got, want)
		}
		p.restart()
	}
	if got := p.last[0].Rule.FiredTimes; got != 2 {
		t.Errorf("firedtimes %d, want 2", got)
	}
}

func TestPartitionsCountForThemselves(t *testing.T) {
	set, _ := counting.load()
	a, b := newPartition(t, set, 0, nil), newPartition(t, set, 0, nil)
	if got := a.eval("0 001 local_port=22") + ", " + b.eval("1 002 local_port=22"); got != "100001 x, 100001 x" {
		t.Errorf("two partitions: %s", got)
	}
	if got := a.eval("2 002 local_port=22"); got != "100002 x" {
		t.Errorf("one partition: %s", got)
	}
}

func TestAlertIDsAreMadeOfTheRecord(t *testing.T) {
	set, _ := counting.load()
	id := func(events ...string) string {
		p := newPartition(t, set, 0, nil)
		for _, event := range events {
			p.eval(event)
		}
		return p.last[0].ID()
	}
	once := id("7 001 local_port=22")
	if !regexp.MustCompile(`^7\.[0-9]{10}$`).MatchString(once) || len(once) > 21 {
		t.Errorf("id %s", once)
	}
	if again := id("7 001 local_port=22"); again != once {
		t.Errorf("read again: %s, before %s", again, once)
	}
	if next := id("7 001 local_port=22", "7 001 local_port=22"); next == once {
		t.Error("the next record's alert has the same id")
	}
}

func TestTechniquesAreShownByID(t *testing.T) {
	const elements = `<if_sid>221</if_sid><mitre><id>T1571</id><id>T9999</id></mitre>`
	for _, c := range []struct {
		elements string
		compat   syscollector.Compat
		want     []string
	}{
		{elements, 0, []string{"T1571", "T9999"}},
		{`<if_sid>221</if_sid><mitre><tacticID>TA0011</tacticID><techniqueID>T1571</techniqueID></mitre>`, 0, []string{"T1571"}},
	} {
		d := difference{rules: rule(100001, `level="5"`, c.elements), compat: c.compat}
		set, said := d.load()
		if len(said) > 0 {
			t.Fatal(said)
		}
		p := newPartition(t, set, c.compat, nil)
		p.eval("0 001 local_port=22")
		if got := p.last[0].Rule.Mitre; !slices.Equal(got, c.want) {
			t.Errorf("%v, want %v", got, c.want)
		}
	}
}

// TestDifferencesAreDocumented holds docs/decisions.md and the table above
// together: each case has a heading there, each heading there has cases here or
// names a test that holds it.
func TestDifferencesAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/decisions.md")
	if err != nil {
		t.Fatal(err)
	}
	const part = "## Where verdicts differ from the original on purpose\n"
	_, doc, ok := strings.Cut(string(text), part)
	if !ok {
		t.Fatalf("there is no %q", part)
	}
	documented := map[string]bool{}
	held := regexp.MustCompile("`([a-z0-9/]+)\\.(Test\\w+)`")
	for _, section := range strings.Split(doc, "\n#### ")[1:] {
		name, body, _ := strings.Cut(section, "\n")
		documented[name] = true
		tests := held.FindAllStringSubmatch(body, -1)
		if len(tests) == 0 && !slices.ContainsFunc(differences, func(d difference) bool { return d.name == name }) {
			t.Errorf("no case is named %q, and it names no test", name)
		}
		for _, test := range tests {
			if !hasTest(t, test[1], test[2]) {
				t.Errorf("%s: there is no test %s in %s", name, test[2], test[1])
			}
		}
	}
	for _, d := range differences {
		if !documented[d.name] {
			t.Errorf("%q is not documented", d.name)
		}
	}
}

// hasTest tells whether a package has a test.
func hasTest(t *testing.T, dir, name string) bool {
	files, err := filepath.Glob(filepath.Join("..", dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "func "+name+"(") {
			return true
		}
	}
	return false
}
