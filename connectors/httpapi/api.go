package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"invigil/pipeline"
	"invigil/rules"
	"invigil/state"
)

// Defaults of API.
const (
	DefaultQueryTime = 2 * time.Minute
	DefaultQueries   = 16
)

// errorTime is for telling a client that its time is over.
const errorTime = 200 * time.Millisecond

// API is what /v1 answers from. Store and Rules are required; what is nil
// otherwise is left out of /v1. Functions are called from any goroutine.
type API struct {
	Store *state.Store
	Rules func() *rules.Set
	// Runtime tells what the service knows of itself.
	Runtime func() Runtime
	// Counters sums what was counted for each rule, by its id.
	Counters func() map[string]rules.RuleCounters
	Recent   *Recent
	Forget   Forgetter

	History   time.Duration    // how far back the store keeps history, 0 = none
	QueryTime time.Duration    // longest time of an answer; 0 = DefaultQueryTime
	Queries   int              // answers at a time, others are sent away; 0 = DefaultQueries
	Clock     func() time.Time // nil = time.Now
}

// Forgetter removes an agent of a topic with all that is stored of it, and
// returns when that is committed.
type Forgetter interface {
	Forget(ctx context.Context, topic, id string) error
}

// Runtime is what a running service knows and its store does not.
type Runtime struct {
	Version    string
	Started    time.Time
	Reload     Reload
	Partitions map[pipeline.Partition]Serving
}

// Reload is the last load of rules and lists.
type Reload struct {
	Time  time.Time
	Error string // "" = it succeeded
}

// Serving is a partition that is served here.
type Serving struct {
	Lag    int64          // records not yet read; negative = unknown
	Stuck  string         // why it cannot be read, "" = it can
	Outbox map[string]int // what each sink lacks
}

// api is /v1 at work.
type api struct {
	*API
	ready func() error
	log   *slog.Logger
	slots chan struct{}
	tally tally

	answers *prometheus.CounterVec // by route and code
	seconds *prometheus.HistogramVec
	rows    prometheus.Counter
}

// route is one resource: its pattern, its parameters and its answer.
type route struct {
	pattern string
	params  []string
	answer  func(*request) error
}

func (a *api) routes() []route {
	page := func(names ...string) []string { return append(names, "offset", "limit") }
	routes := []route{
		{"GET /v1/agents", page("name", "group", "topic"), a.agents},
		{"GET /v1/agents/{id}", []string{"topic"}, a.agent},
		{"GET /v1/agents/{id}/history", page("table", "where", "select", "topic", "from", "to"), a.history},
		{"GET /v1/agents/{id}/{table}", page("where", "select", "sort", "topic", "at"), a.agentTable},
		{"GET /v1/inventory/{table}", page("agent", "where", "select", "sort", "topic", "at", "total"), a.inventory},
		{"GET /v1/alerts/active", page("rule", "agent", "level", "topic"), a.activeAlerts},
		{"GET /v1/rules", page("rule", "level", "group"), a.rules},
		{"GET /v1/lists", nil, a.lists},
		{"GET /v1/dead-letters", page("reason"), a.deadLetters},
		{"GET /v1/status", nil, a.status},
	}
	if a.Recent != nil {
		routes = append(routes, route{"GET /v1/alerts/recent", page("rule", "agent", "level"), a.recentAlerts})
	}
	if a.Forget != nil {
		routes = append(routes, route{"DELETE /v1/agents/{id}", []string{"topic"}, a.forget})
	}
	return routes
}

func newAPI(o *API, ready func() error, reg prometheus.Registerer, log *slog.Logger) http.Handler {
	c := *o
	if c.QueryTime <= 0 {
		c.QueryTime = DefaultQueryTime
	}
	if c.Queries <= 0 {
		c.Queries = DefaultQueries
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	const ns, sub = "invigil", "http"
	a := &api{
		API: &c, ready: ready, log: log, slots: make(chan struct{}, c.Queries),
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: ns, Subsystem: sub, Name: "requests_total", Help: "Requests to the API, by route and status."}, []string{"route", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: ns, Subsystem: sub, Name: "request_seconds", Help: "Time to the end of the answer, by route.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 8)}, []string{"route"}),
		rows:    prometheus.NewCounter(prometheus.CounterOpts{Namespace: ns, Subsystem: sub, Name: "items_total", Help: "List items that were sent."}),
	}
	if reg != nil {
		reg.MustRegister(a.answers, a.seconds, a.rows)
	}
	mux := http.NewServeMux()
	for _, r := range a.routes() {
		mux.Handle(r.pattern, a.handler(r))
	}
	return a.orJSON(mux)
}

// orJSON gives what the mux says on its own account, 404 and 405, the form of
// the API.
func (a *api) orJSON(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		said := &answer{ResponseWriter: w, silent: true}
		h.ServeHTTP(said, r)
		e := &apiError{said.code, "there is no " + r.URL.Path, ""}
		if said.code == http.StatusMethodNotAllowed {
			e.message = r.URL.Path + " does not take " + r.Method
			e.hint = "it takes " + w.Header().Get("Allow")
		}
		a.answers.WithLabelValues("none", strconv.Itoa(said.code)).Inc()
		writeError(w, e)
	})
}

// request is one request at work. The view is of its beginning.
type request struct {
	*http.Request
	w      http.ResponseWriter
	ctx    context.Context
	params params
	view   *state.View
	list   *list
	sent   func(items int)
}

// items begins a list answer.
func (r *request) items(eager bool) *list {
	r.list = newList(r.w, r.sent)
	r.list.eager = eager
	return r.list
}

// value answers with one value.
func (r *request) value(v any) error {
	b, err := appendValue(nil, v)
	if err != nil {
		return err
	}
	head(r.w)
	_, err = r.w.Write(append(b, '\n'))
	return gone(err)
}

// errGone says that the client does not read on.
var errGone = errors.New("the client is gone")

func gone(err error) error {
	if err == nil {
		return nil
	}
	return errors.Join(errGone, err)
}

// handler bounds a route in number and time, checks its parameters and counts
// its answers.
func (a *api) handler(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := a.Clock()
		said := &answer{ResponseWriter: w, code: http.StatusOK}
		defer func() {
			a.answers.WithLabelValues(rt.pattern, strconv.Itoa(said.code)).Inc()
			a.seconds.WithLabelValues(rt.pattern).Observe(a.Clock().Sub(began).Seconds())
		}()
		if r.ContentLength > maxBody {
			writeError(said, &apiError{http.StatusRequestEntityTooLarge, "the request's body is too large", "this resource takes none"})
			return
		}
		p, err := readParams(r.URL.RawQuery, rt.params)
		if err != nil {
			writeError(said, asAPIError(err, a.log))
			return
		}
		select {
		case a.slots <- struct{}{}:
			defer func() { <-a.slots }()
		default:
			writeError(said, &apiError{http.StatusTooManyRequests, "too many requests at a time", "try again"})
			return
		}
		a.run(rt, &request{Request: r, w: said, params: p, sent: func(n int) { a.rows.Add(float64(n)) }})
	})
}

// run answers within the time that an answer may take.
func (a *api) run(rt route, r *request) {
	ctx, cancel := context.WithTimeout(r.Context(), a.QueryTime)
	defer cancel()
	r.ctx = ctx
	if deadline, ok := ctx.Deadline(); ok { // a client that does not read is given up then
		err := http.NewResponseController(r.w).SetWriteDeadline(deadline.Add(errorTime))
		if err != nil && !errors.Is(err, http.ErrNotSupported) {
			a.log.Warn("an answer has no time limit", "error", err)
		}
	}
	r.view = a.Store.View()
	defer func() {
		if err := r.view.Close(); err != nil {
			a.log.Error("a view could not be closed", "error", err)
		}
	}()
	err := rt.answer(r)
	switch {
	case err == nil, errors.Is(err, errGone):
	case r.list != nil:
		r.list.fail(asAPIError(err, a.log))
	default:
		writeError(r.w, asAPIError(err, a.log))
	}
}

// answer notes the status. A silent one keeps what is written to itself.
type answer struct {
	http.ResponseWriter
	silent bool
	code   int
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(code int) {
	a.code = code
	if !a.silent {
		a.ResponseWriter.WriteHeader(code)
	}
}

// Write implements io.Writer.
func (a *answer) Write(b []byte) (int, error) {
	if a.silent {
		return len(b), nil
	}
	return a.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController through.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
