package pipeline

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"invigil/pipeline/syscollector"
	"invigil/state"
)

// ImportAgents is the name, beside those of the tables, under which answers of
// GET /agents are imported.
const ImportAgents = "agents"

// ImportOptions configure an Importer. Store is required; nothing else may use
// its partitions meanwhile.
type ImportOptions struct {
	Store *state.Store
	// Topic takes only agents of that topic; "" takes those of any, each of
	// which must be in one topic only.
	Topic string
	// Problem, if set, is told of each thing that was not imported.
	Problem func(ImportProblem)
}

// ImportProblem says what was not imported and why.
type ImportProblem struct {
	File string
	Item int // in the file, from 1; 0 = about the file or an agent as a whole
	Err  error
}

// Error gives file, item and reason.
func (p ImportProblem) Error() string {
	if p.Item > 0 {
		return fmt.Sprintf("%s: item %d: %v", p.File, p.Item, p.Err)
	}
	if p.File == "" {
		return p.Err.Error()
	}
	return fmt.Sprintf("%s: %v", p.File, p.Err)
}

// ImportCounts are totals of an import.
type ImportCounts struct {
	Files, Answers, Items int
	Agents                int // that got something
	Rows                  int // put into the inventory
	Waiting               int // rows kept for agents that no event has named yet, or for the next run
	Problems              int
}

// importBatch is how many items are imported between two commits.
const importBatch = 2000

// Importer reads answers of the Wazuh 4.x API into the store: rows as baseline
// rows into the partition where the agent was seen, else they wait for its
// first event. Partitions that got something ask for a sweep, which shows the
// rows to the rules when the partition is processed next. A partition that is
// kept in a changelog is not written: what is for its agents waits for that too.
type Importer struct {
	opts    ImportOptions
	decoder *syscollector.Decoder
	places  map[string][]state.AgentInfo
	parts   map[Partition]*importPart
	agents  map[importAgent]bool
	answers map[importAgent]map[syscollector.Table]*importTotal
	shared  [syscollector.NumTables]importTotal // of answers about several agents
	counts  ImportCounts
	pending int
}

// importPart is a partition that is imported into.
type importPart struct {
	state  *state.Partition
	logged bool // kept in a changelog: only its worker may write
	now    int64
	next   int64
	asked  bool
}

// importAgent is an agent and where what is imported for it goes.
type importAgent struct {
	id    string
	place Partition
	known bool // in place; else it waits
}

// importTotal compares how many items came with how many there are.
type importTotal struct {
	got, want int
	agents    map[importAgent]bool
}

// NewImporter returns an importer.
func NewImporter(o ImportOptions) (*Importer, error) {
	im := &Importer{
		opts: o, decoder: syscollector.NewDecoder(syscollector.Options{}),
		places:  make(map[string][]state.AgentInfo),
		parts:   make(map[Partition]*importPart),
		agents:  make(map[importAgent]bool),
		answers: make(map[importAgent]map[syscollector.Table]*importTotal),
	}
	v := o.Store.View()
	for a, err := range v.Agents() {
		if err != nil {
			return nil, errors.Join(err, v.Close())
		}
		if o.Topic == "" || a.Topic == o.Topic {
			im.places[a.ID] = append(im.places[a.ID], *a)
		}
	}
	return im, v.Close()
}

// ImportTable returns the table that a file's answers are of, by its base name:
// packages.json. agents is true for answers of GET /agents.
func ImportTable(name string) (t syscollector.Table, agents bool, err error) {
	base, _, _ := strings.Cut(filepath.Base(name), ".")
	if base == ImportAgents {
		return syscollector.NoTable, true, nil
	}
	if t, ok := syscollector.TableByName(base); ok {
		return t, false, nil
	}
	return syscollector.NoTable, false, fmt.Errorf("%s: no table is named %q: rename the file, or give the table", name, base)
}

// Import reads answers, one after the other: those of a table, or of GET
// /agents for NoTable. What cannot be imported is a problem, not an error; an
// error is a failure of the store.
func (im *Importer) Import(name string, t syscollector.Table, r io.Reader) error {
	im.counts.Files++
	f := importFile{im: im, name: name, table: t}
	return f.read(r)
}

// Close ends the import: tables that came completely become known, sweeps are
// asked for, everything is durable. It returns what was done, also after an
// error.
func (im *Importer) Close() (ImportCounts, error) {
	err := im.settle()
	if err == nil {
		err = im.commit(true)
	}
	for _, p := range im.parts {
		err = errors.Join(err, p.state.Close())
	}
	im.counts.Agents = len(im.agents)
	return im.counts, errors.Join(err, im.opts.Store.Sync())
}

func (im *Importer) problem(p ImportProblem) {
	im.counts.Problems++
	if im.opts.Problem != nil {
		im.opts.Problem(p)
	}
}

// agent decides where what is imported for an agent goes.
func (im *Importer) agent(id string) (importAgent, error) {
	places := im.places[id]
	if len(places) == 0 {
		return importAgent{id: id, place: Partition{Topic: im.opts.Topic}}, nil
	}
	latest := slices.MaxFunc(places, func(a, b state.AgentInfo) int { return cmp.Compare(a.LastSeen, b.LastSeen) })
	for i := range places {
		if places[i].Topic != latest.Topic {
			return importAgent{}, fmt.Errorf("agent %s is in topics %s and %s: name one", id, places[0].Topic, places[len(places)-1].Topic)
		}
	}
	return importAgent{id: id, place: Partition{latest.Topic, latest.Partition}, known: true}, nil
}

// put imports something for an agent.
func (im *Importer) put(a importAgent, in *state.WaitingImport) error {
	im.agents[a] = true
	if im.pending++; im.pending >= importBatch {
		if err := im.commit(false); err != nil {
			return err
		}
	}
	if a.known {
		p, err := im.part(a.place)
		if err != nil {
			return err
		}
		if !p.logged {
			im.counts.Rows += len(in.Rows)
			return p.apply(in)
		}
	}
	im.counts.Waiting += len(in.Rows)
	return im.opts.Store.KeepImport(a.place.Topic, in)
}

func (im *Importer) part(id Partition) (*importPart, error) {
	if p := im.parts[id]; p != nil {
		return p, nil
	}
	st, err := im.opts.Store.Partition(id.Topic, id.Number)
	if err != nil {
		return nil, err
	}
	p := &importPart{state: st}
	im.parts[id] = p
	p.next, p.now, _ = st.Applied()
	p.logged, err = st.Logged()
	return p, err
}

func (p *importPart) apply(in *state.WaitingImport) error {
	if !p.asked {
		if err := askSweep(p.state); err != nil {
			return err
		}
		p.asked = true
	}
	return applyImport(p.state, in, p.now, max(p.next-1, 0))
}

func (im *Importer) commit(sync bool) error {
	im.pending = 0
	for id, p := range im.parts {
		if p.logged {
			continue
		}
		if err := p.state.Commit(sync); err != nil {
			return fmt.Errorf("partition %s/%d: %w", id.Topic, id.Number, err)
		}
	}
	im.decoder.Reset()
	return nil
}

// settle makes the tables known that came completely.
func (im *Importer) settle() error {
	known := func(a importAgent, t syscollector.Table) error {
		return im.put(a, &state.WaitingImport{Agent: syscollector.Agent{ID: a.id}, Known: []syscollector.Table{t}})
	}
	for _, a := range slices.SortedFunc(maps.Keys(im.answers), compareAgents) {
		for _, t := range slices.Sorted(maps.Keys(im.answers[a])) {
			if total := im.answers[a][t]; total.got < total.want {
				im.incomplete("agent "+a.id, t, total)
			} else if err := known(a, t); err != nil {
				return err
			}
		}
	}
	for t := range im.shared {
		total := &im.shared[t]
		if total.got < total.want {
			im.incomplete("all agents", syscollector.Table(t), total)
			continue
		}
		for a := range total.agents {
			if err := known(a, syscollector.Table(t)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (im *Importer) incomplete(who string, t syscollector.Table, total *importTotal) {
	im.problem(ImportProblem{Err: fmt.Errorf("%s: %d of %d %s were given: the table does not count as known; fetch all pages (limit=100000)",
		who, total.got, total.want, t)})
}

func compareAgents(a, b importAgent) int {
	return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.place.Topic, b.place.Topic))
}
