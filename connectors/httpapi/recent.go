package httpapi

import (
	"sync"

	"invigil/rules"
)

// recentAlerts bounds the memory of Recent.
const recentAlerts = 500

// Recent remembers the last 500 alerts, for /v1/alerts/recent. It is empty
// after a start. It is safe for concurrent use.
type Recent struct {
	// Format renders an alert as a JSON object, which it appends to b.
	Format func(b []byte, a *rules.Alert) ([]byte, error)

	mu   sync.Mutex
	ring []rules.Alert
	next int // where the next alert goes, once the ring is full
}

// Add takes alerts in their order; they must not change afterwards.
func (r *Recent) Add(alerts []rules.Alert) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range alerts[max(0, len(alerts)-recentAlerts):] {
		if len(r.ring) < recentAlerts {
			r.ring = append(r.ring, a)
			continue
		}
		r.ring[r.next] = a
		r.next = (r.next + 1) % recentAlerts
	}
}

// newest returns the alerts, newest first.
func (r *Recent) newest() []rules.Alert {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.ring)
	all := make([]rules.Alert, n)
	for i := range all {
		all[i] = r.ring[(r.next+n-1-i)%n]
	}
	return all
}
