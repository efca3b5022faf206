package syscollector

import "strings"

// managerID is the id of the manager's own agent.
const managerID = "000"

// agentID reports whether a text is an agent id: 3 to 10 digits.
func agentID(t string) bool {
	return len(t) >= 3 && len(t) <= 10 && digitsLength(t) == len(t)
}

// agentObject takes the agent from the object's own member agent. One that has
// a type, or an id that is no agent's, is a shipper's.
func (d *Decoder) agentObject() {
	at := d.nodes[topAgent]
	if at == 0 || d.json.nodes[at].kind != kindObject || d.child(at, "type") != nil {
		return
	}
	a := &d.ev.Agent
	id := d.child(at, "id")
	switch {
	case id == nil:
	case (id.kind == kindString || id.kind == kindNumber) && agentID(id.text):
		a.ID = id.text
	default:
		return
	}
	if name := d.childStr(at, "name"); name != "" {
		a.Name = name
	}
	if ip := d.childStr(at, "ip"); ip != "" && ip != "any" {
		a.IP = ip
	}
	if labels := d.childAt(at, "labels"); labels != 0 && d.json.nodes[labels].kind == kindObject {
		d.readLabels(labels)
	}
}

// readLabels takes the agent's labels, nested ones under dotted names, and its
// groups, which are the label group or groups.
func (d *Decoder) readLabels(at int32) {
	d.labels, d.groups = d.labels[:0], d.groups[:0]
	d.addLabels(at, "")
	if d.ev.Agent.Labels = nil; len(d.labels) > 0 {
		d.ev.Agent.Labels = d.labels
	}
	if d.ev.Agent.Groups = nil; len(d.groups) > 0 {
		d.ev.Agent.Groups = d.groups
	}
}

func (d *Decoder) addLabels(at int32, prefix string) {
	ns := d.json.nodes
	for i := at + 1; i < ns[at].next; i = ns[i].next {
		n := &ns[i]
		key := n.key
		if prefix != "" {
			key = d.mem.join(prefix, ".", n.key)
		}
		value := n.text
		switch n.kind {
		case kindObject:
			d.addLabels(i, key)
			continue
		case kindNull:
			continue
		case kindArray:
			value = d.mem.joinArray(n.text)
		}
		d.labels = append(d.labels, Label{key, value})
		if key == "group" || key == "groups" {
			for g := range strings.SplitSeq(value, ",") {
				if g = strings.TrimSpace(g); g != "" {
					d.groups = append(d.groups, g)
				}
			}
		}
	}
}

// identify settles the agent: the envelope's id, else the record's header,
// else its key, else the configured id of the name, else the name, else the
// default.
func (d *Decoder) identify() error {
	a := &d.ev.Agent
	if a.ID == "" {
		id := d.opt.Agents[a.Name]
		if id == "" {
			id = d.opt.Agents[d.longName]
		}
		switch {
		case d.meta.AgentID != "":
			a.ID = d.mem.copy([]byte(d.meta.AgentID))
		case len(d.meta.Key) <= 10 && agentID(string(d.meta.Key)):
			a.ID = d.mem.copy(d.meta.Key)
		case id != "":
			a.ID = id
		case a.Name != "":
			a.ID = a.Name
		case d.opt.DefaultAgent != "":
			a.ID = d.opt.DefaultAgent
		default:
			return fail(ReasonAgent, "neither envelope, header, key nor configuration tells the agent")
		}
	}
	if a.ID == managerID && a.Name == "" {
		a.Name = d.opt.Manager
	}
	if d.ev.Location == "" {
		d.ev.Location = d.locationOf(a)
	}
	return nil
}

// locationOf is the location that the manager stores for the agent.
func (d *Decoder) locationOf(a *Agent) string {
	if a.Name == "" || a.ID == managerID && a.IP == "" {
		return syscollectorName
	}
	ip := a.IP
	if ip == "" {
		ip = "any"
	}
	return d.mem.join("(", a.Name, ") ", ip, "->", syscollectorName)
}
