package syscollector

import "iter"

// ViewID numbers the names of the string view, 0 = no such name.
type ViewID uint16

type view struct{}

// LookupView returns the id of a name in the string view; letters fold (ASCII).
func LookupView(name string) ViewID { return 0 }

// View returns the event's first field of that id as the original's rules see
// it, formatted on first use; ok is false when the field is absent. An empty
// present field is "", true.
func (e *Event) View(id ViewID) (value string, ok bool) { return "", false }

// Fields yields the whole string view in decode order, names as written in the
// field table; names may repeat.
func (e *Event) Fields() iter.Seq2[string, string] { return nil }
