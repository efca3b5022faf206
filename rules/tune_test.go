package rules_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"invigil/pipeline/syscollector"
	"invigil/rules"
)

// tunedPartition evaluates messages about ports and the rows that they make.
type tunedPartition struct {
	*smallPartition
	decoder *syscollector.Decoder
}

// port sends a message about a port; the answer names the rules that alert,
// with the number suppressed before.
func (p *tunedPartition) port(number int, state string) string {
	p.t.Helper()
	pairs := []string{fmt.Sprintf("port.local_port=%d", number), "port.state=" + state}
	return p.message(number, state, p.delta(syscollector.Ports, fmt.Sprint(number), "", pairs))
}

func (p *tunedPartition) message(number int, state string, deltas ...syscollector.Delta) string {
	p.t.Helper()
	body, err := json.Marshal(map[string]any{"type": "port", "ID": 1, "port": map[string]any{"local_port": number, "state": state}})
	if err != nil {
		p.t.Fatal(err)
	}
	ev, err := p.decoder.Decode(body, syscollector.Meta{})
	if err != nil {
		p.t.Fatal(err)
	}
	p.event = *ev
	return show(p.evaluate(deltas...))
}

func show(alerts []rules.Alert) string {
	var out []string
	for _, a := range alerts {
		s := a.Rule.ID
		if a.Extras != nil && a.Extras.Suppressed > 0 {
			s += fmt.Sprintf("+%d", a.Extras.Suppressed)
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

const tunedRules = `dialect: wazuh-4.x
rules:
  - {id: 100001, level: 3, parent: {sid: [221]}, description: port}
  - {id: 100002, level: 7, parent: {sid: [100001]}, description: listens, when: 'osmatch("port.state", "listening")'}
`

func tuned(t *testing.T, tune string) (*rules.Set, error) {
	set, ds := loadInvigil("rules.yml", tunedRules+tune, rules.Options{})
	return set, ds.Err()
}

func newTunedPartition(t *testing.T, tune string) *tunedPartition {
	t.Helper()
	set, err := tuned(t, tune)
	if err != nil {
		t.Fatal(err)
	}
	p := &tunedPartition{newSmallPartition(t, set), syscollector.NewDecoder(syscollector.Options{DefaultAgent: "001"})}
	return p
}

type step struct {
	what, got, want string
}

func check(t *testing.T, steps ...step) {
	t.Helper()
	for _, s := range steps {
		if s.got != s.want {
			t.Errorf("%s: alerts %q, want %q", s.what, s.got, s.want)
		}
	}
}

func TestATunedWazuhRuleAlertsOnceForARow(t *testing.T) {
	p := newTunedPartition(t, "tune:\n  - {rules: ['100002'], alert: onset}\n")
	check(t,
		step{"a row for which the rule holds", p.port(22, "listening"), "100002"},
		step{"the same row again", p.port(22, "listening"), ""},
		step{"another row", p.port(23, "listening"), "100002"},
		step{"the verdict is another rule's", p.port(22, "close"), "100001"},
		step{"which is not tuned and alerts each time", p.port(22, "close"), "100001"},
		step{"the rule holds anew", p.port(22, "listening"), "100002"},
	)
	if n := len(p.active.keys); n != 2 {
		t.Errorf("%d active onsets, want those of two rows", n)
	}
	synthetic := p.delta(syscollector.Ports, "22", "modified", []string{"port.state=listening"})
	synthetic.Synthetic = true
	check(t,
		step{"a row that no message is about stays as it is", p.message(0, "close", synthetic), "100001"},
		step{"so this is not new", p.port(22, "listening"), ""},
	)
	p.remove(syscollector.Ports, "22")
	check(t, step{"a removal ends it", p.port(22, "listening"), "100002"})
	if _, err := p.eval.Forget(&rules.Input{}, "001"); err != nil || len(p.active.keys) != 0 {
		t.Errorf("an agent that is forgotten has %d active onsets, %v", len(p.active.keys), err)
	}
}

func TestOnsetsOfTunedRulesSurviveWhatDoesNotChangeThem(t *testing.T) {
	p := newTunedPartition(t, "tune:\n  - {rules: ['100002'], alert: onset}\n")
	p.port(22, "listening")
	fingerprint := p.set.TunedOnsets()
	again, err := tuned(t, "tune:\n  - {rules: ['10000*'], alert: onset, level: 9}\n")
	if err != nil {
		t.Fatal(err)
	}
	p.swap(again)
	if _, err := p.eval.Retire(&rules.Input{}); err != nil {
		t.Fatal(err)
	}
	check(t, step{"another level", p.port(22, "listening"), ""})
	without, err := tuned(t, "")
	if err != nil {
		t.Fatal(err)
	}
	p.swap(without)
	if _, err := p.eval.Retire(&rules.Input{}); err != nil {
		t.Fatal(err)
	}
	if len(fingerprint) != 1 || len(without.TunedOnsets()) != 0 || len(p.active.keys) != 0 {
		t.Errorf("the tuning is gone, %d onsets are active", len(p.active.keys))
	}
	check(t,
		step{"no tuning", p.port(22, "listening"), "100002"},
		step{"no tuning still", p.port(22, "listening"), "100002"},
	)
}

// A rule inside its ignore window has its parent's alert, and goes on all the
// same.
func TestOnsetsOfTunedRulesGoOnInsideTheIgnoreWindow(t *testing.T) {
	set := mustLoad(t, strings.Replace(tunedRules, "level: 7", "level: 7, ignore: 3", 1)+"tune:\n  - {rules: ['100002'], alert: onset}\n", rules.Options{})
	p := &tunedPartition{newSmallPartition(t, set), syscollector.NewDecoder(syscollector.Options{DefaultAgent: "001"})}
	check(t,
		step{"0 s", p.port(22, "listening"), "100002"},
		step{"1 s", p.port(22, "listening"), "100001"},
		step{"2 s", p.port(22, "listening"), "100001"},
		step{"3 s", p.port(22, "listening"), ""},
	)
}

func TestSuppressHoldsAlertsOfAWazuhRuleBack(t *testing.T) {
	p := newTunedPartition(t, "tune:\n  - {rules: ['100002'], suppress: {for: 3s, by: [agent.id, port.local_port]}}\n")
	check(t,
		step{"the first", p.port(22, "listening"), "100002"},
		step{"one second on", p.port(22, "listening"), ""},
		step{"another port", p.port(23, "listening"), "100002"},
		step{"the full time has passed", p.port(22, "listening"), "100002+1"},
		step{"and begins anew", p.port(22, "listening"), ""},
	)
	counts := map[string]rules.RuleCounters{}
	for id, c := range p.eval.Counters() {
		counts[id] = c
	}
	if c := counts["100002"]; c.Alerts != 3 || c.Suppressed != 2 {
		t.Errorf("counters %+v", c)
	}
}

func TestATuningThatNamesNoFieldIsRefusedOnce(t *testing.T) {
	_, err := tuned(t, "tune:\n  - {rules: ['10000*'], suppress: {for: 1h, by: [port.lokal_port]}}\n")
	if err == nil || strings.Count(err.Error(), "lokal_port") != 1 || !strings.Contains(err.Error(), "rules.yml:6:5") {
		t.Errorf("error %v", err)
	}
}
