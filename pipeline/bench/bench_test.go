package bench_test

import (
	"testing"

	"invigil/pipeline/bench"
)

func TestRunMeasuresEachNumberOfRules(t *testing.T) {
	figures, err := bench.Run(t.Context(), bench.Options{Events: 3000, Fleet: bench.Fleet{Agents: 20}, Rules: []int{10, 200}, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if len(figures) != 2 || figures[0].Rules != 10 || figures[1].Rules != 200 {
		t.Fatalf("figures %+v", figures)
	}
	for _, f := range figures {
		if f.Alerts == 0 || f.Rows == 0 || f.DiskPerRow == 0 || f.TotalMicros == 0 {
			t.Errorf("nothing was measured: %+v", f)
		}
	}
	if figures[0].Alerts != figures[1].Alerts {
		t.Errorf("%d alerts with 10 rules, %d with 200: the work differs", figures[0].Alerts, figures[1].Alerts)
	}
}
