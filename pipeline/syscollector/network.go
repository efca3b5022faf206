package syscollector

// Columns that a scan's network message gives by its shape, not by a key.
const (
	ifaceName    = 0 // netinfo.iface.name
	protoIface   = 0 // netinfo.proto.iface
	protoType    = 1 // netinfo.proto.type
	addrIface    = 0 // netinfo.addr.iface
	addrProto    = 1 // netinfo.addr.proto
	ipAddress    = 3 // slots of the IPv4 and IPv6 objects, see ipFields
	ipAddresses  = 3 // from here on the slots are arrays, an element an address
	maxIPNumbers = 1024
)

// networkRows makes the rows that a scan's network message carries beside its
// interface: a protocol for each IPv4 or IPv6 object, and an address for each
// element of its array.
func (d *Decoder) networkRows() error {
	name := ""
	if len(d.ev.Rows) > 0 {
		name = d.ev.Rows[0].Str(ifaceName)
	}
	for i := range d.ev.view.ip {
		p := &d.ev.view.ip[i]
		if !p.present {
			continue
		}
		proto := [...]string{"ipv4", "ipv6"}[i]
		if p.length > maxIPNumbers {
			return fail(ReasonTooLarge, "%d addresses of one interface, at most %d are read", p.length, maxIPNumbers)
		}
		r := d.newRow(Netproto, d.ev.ScanTime, "")
		if name != "" {
			r.SetStr(protoIface, name)
		}
		r.SetStr(protoType, proto)
		for slot, f := range d.index.ipFields[:ipAddresses] {
			if p.set&(1<<slot) != 0 {
				r.take(f, p.cells[slot], &d.mem)
			}
		}
		if p.length > 0 {
			d.addressRows(p, name, proto)
		}
	}
	return nil
}

// addressRows makes a row of each address; netmask and broadcast are the
// elements of the same position.
func (d *Decoder) addressRows(p *ipView, name, proto string) {
	var lists [ipSlots - ipAddresses]array
	for i := range lists {
		slot := ipAddresses + i
		if c := p.cells[slot]; p.set&(1<<slot) != 0 && c.kind == kindArray {
			lists[i].open(c.text, &d.mem)
		}
	}
	for range p.length {
		r := d.newRow(Netaddr, d.ev.ScanTime, "")
		if name != "" {
			r.SetStr(addrIface, name)
		}
		r.SetStr(addrProto, proto)
		for i := range lists {
			if c, ok := lists[i].next(); ok {
				r.take(d.index.ipFields[ipAddresses+i], c, &d.mem)
			}
		}
		if f := d.index.ipFields[ipAddress]; !r.Has(f.Number) {
			d.ev.Rows = d.ev.Rows[:len(d.ev.Rows)-1]
		}
	}
}
