package rules

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"invigil/pipeline/syscollector"
)

// alertFormat is the format byte of the canonical bytes. A higher one was
// written by a newer program and is refused.
const alertFormat = 1

// The kinds of a datum's value in canonical bytes.
const (
	datumString byte = iota
	datumInt
	datumFloat
)

// AppendBinary appends the alert's canonical bytes to b: the format byte, then
// the members in the order of the types, numbers as varints, strings and lists
// with their length in front. It fails only on a datum whose value is neither
// string nor number.
func (a *Alert) AppendBinary(b []byte) ([]byte, error) {
	w := alertWriter{b: append(b, alertFormat)}
	w.b = append(w.b, a.Hash[:]...)
	w.int(a.Time)
	w.string(a.Origin.Topic)
	w.int(int64(a.Origin.Partition))
	w.int(a.Origin.Offset)
	w.int(a.Origin.Time)
	w.rule(&a.Rule)
	w.agent(&a.Agent)
	w.string(a.Manager)
	w.string(a.Location)
	w.string(a.FullLog)
	w.bool(a.NoFullLog)
	w.string(a.Decoder)
	w.strings(a.PreviousOutput)
	w.string(a.PreviousLog)
	w.data(a.Data)
	w.bool(a.Extras != nil)
	if x := a.Extras; x != nil {
		w.string(x.Status)
		w.string(x.Reason)
		w.string(x.Change)
		w.strings(x.Changed)
		w.data(x.Before)
		w.len(len(x.Items))
		for _, item := range x.Items {
			w.data(item)
		}
		w.int(int64(x.Suppressed))
	}
	return w.b, w.err
}

// DecodeAlert reads what AppendBinary wrote. The alert shares no memory with b.
func DecodeAlert(b []byte) (*Alert, error) {
	if len(b) < 1+16 {
		return nil, errors.New("decode alert: too short")
	}
	if b[0] != alertFormat {
		return nil, fmt.Errorf("decode alert: format %d is not known to this program: use the version that wrote it, or a newer one", b[0])
	}
	a := &Alert{}
	r := alertReader{byteReader{b: b[1+copy(a.Hash[:], b[1:]):]}}
	a.Time = r.int()
	a.Origin.Topic = r.string()
	a.Origin.Partition = int32(r.int())
	a.Origin.Offset = r.int()
	a.Origin.Time = r.int()
	r.rule(&a.Rule)
	r.agent(&a.Agent)
	a.Manager = r.string()
	a.Location = r.string()
	a.FullLog = r.string()
	a.NoFullLog = r.bool()
	a.Decoder = r.string()
	a.PreviousOutput = r.strings()
	a.PreviousLog = r.string()
	a.Data = r.data()
	if r.bool() {
		x := &Extras{Status: r.string(), Reason: r.string(), Change: r.string(), Changed: r.strings(), Before: r.data()}
		if n := r.len(); n > 0 {
			x.Items = make([][]Datum, n)
			for i := range x.Items {
				x.Items[i] = r.data()
			}
		}
		x.Suppressed = int(r.int())
		a.Extras = x
	}
	if r.bad || len(r.b) != 0 {
		return nil, errors.New("decode alert: the bytes are damaged")
	}
	return a, nil
}

type alertWriter struct {
	b   []byte
	err error
}

func (w *alertWriter) int(n int64) { w.b = binary.AppendVarint(w.b, n) }
func (w *alertWriter) len(n int)   { w.b = binary.AppendUvarint(w.b, uint64(n)) }

func (w *alertWriter) string(s string) {
	w.len(len(s))
	w.b = append(w.b, s...)
}

func (w *alertWriter) bool(v bool) {
	if v {
		w.b = append(w.b, 1)
	} else {
		w.b = append(w.b, 0)
	}
}

func (w *alertWriter) strings(list []string) {
	w.len(len(list))
	for _, s := range list {
		w.string(s)
	}
}

func (w *alertWriter) rule(r *AlertRule) {
	w.string(r.ID)
	w.int(int64(r.Level))
	w.string(r.Description)
	w.string(r.GroupText)
	w.strings(r.Groups)
	w.len(len(r.Compliance))
	for _, c := range r.Compliance {
		w.string(c.Name)
		w.strings(c.Values)
	}
	w.strings(r.Mitre)
	w.string(r.CVE)
	w.string(r.Info)
	w.int(int64(r.Frequency))
	w.int(int64(r.FiredTimes))
	w.bool(r.Mail)
}

func (w *alertWriter) agent(a *syscollector.Agent) {
	w.string(a.ID)
	w.string(a.Name)
	w.string(a.IP)
	w.strings(a.Groups)
	w.len(len(a.Labels))
	for _, l := range a.Labels {
		w.string(l.Key)
		w.string(l.Value)
	}
}

func (w *alertWriter) data(list []Datum) {
	w.len(len(list))
	for _, d := range list {
		w.string(d.Name)
		switch v := d.Value.(type) {
		case string:
			w.b = append(w.b, datumString)
			w.string(v)
		case int64:
			w.b = append(w.b, datumInt)
			w.int(v)
		case float64:
			w.b = append(w.b, datumFloat)
			w.b = binary.BigEndian.AppendUint64(w.b, math.Float64bits(v))
		default:
			w.err = fmt.Errorf("encode alert: %s has a value of type %T", d.Name, v)
		}
	}
}

// alertReader reads canonical bytes.
type alertReader struct{ byteReader }

func (r *alertReader) bool() bool { return r.byte() != 0 }

func (r *alertReader) strings() []string {
	n := r.len()
	if n == 0 {
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = r.string()
	}
	return list
}

func (r *alertReader) rule(rule *AlertRule) {
	rule.ID = r.string()
	rule.Level = int(r.int())
	rule.Description = r.string()
	rule.GroupText = r.string()
	rule.Groups = r.strings()
	if n := r.len(); n > 0 {
		rule.Compliance = make([]Compliance, n)
		for i := range rule.Compliance {
			rule.Compliance[i] = Compliance{Name: r.string(), Values: r.strings()}
		}
	}
	rule.Mitre = r.strings()
	rule.CVE = r.string()
	rule.Info = r.string()
	rule.Frequency = int(r.int())
	rule.FiredTimes = int(r.int())
	rule.Mail = r.bool()
}

func (r *alertReader) agent(a *syscollector.Agent) {
	a.ID = r.string()
	a.Name = r.string()
	a.IP = r.string()
	a.Groups = r.strings()
	if n := r.len(); n > 0 {
		a.Labels = make([]syscollector.Label, n)
		for i := range a.Labels {
			a.Labels[i] = syscollector.Label{Key: r.string(), Value: r.string()}
		}
	}
}

func (r *alertReader) data() []Datum {
	n := r.len()
	if n == 0 {
		return nil
	}
	list := make([]Datum, n)
	for i := range list {
		list[i].Name = r.string()
		switch r.byte() {
		case datumString:
			list[i].Value = r.string()
		case datumInt:
			list[i].Value = r.int()
		case datumFloat:
			list[i].Value = math.Float64frombits(r.fixed())
		default:
			r.fail()
			return nil
		}
	}
	return list
}
