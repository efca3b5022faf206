package state

import (
	"invigil/pipeline/syscollector"
)

// VisitAgent is Visit for the rows of one agent.
func (p *Partition) VisitAgent(agent string, cursor []byte, limit int) (ds []syscollector.Delta, next []byte, err error) {
	if cursor == nil {
		cursor = appendString(nil, agent)
	}
	ds, next, err = p.Visit(cursor, limit)
	if err != nil || len(ds) == 0 || ds[0].Agent != agent {
		return nil, nil, err
	}
	return ds, next, nil
}

// Logged reports whether the partition is kept in a changelog, which everything
// that is written must go through.
func (p *Partition) Logged() (bool, error) {
	_, ok, err := p.get(positionKey())
	return ok, err
}
