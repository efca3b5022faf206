package rules

import "invigil/pipeline/syscollector"

// MoveOnsets takes the index entries of rows along that go on under other
// columns, for deltas that no Evaluator sees, as those of an import: Eval does
// it itself.
func MoveOnsets(active Memory, ds []syscollector.Delta) error {
	e := statefulEval{active: active}
	for i := range ds {
		if d := &ds[i]; len(d.Active) > 0 && d.Change != syscollector.Removed {
			if err := e.move(d); err != nil {
				return err
			}
		}
	}
	return nil
}
