package source

// Map traces byte offsets of a scalar's value back to positions in the file it
// came from. The zero Map knows nothing.
type Map struct {
	segments []segment
}

type segment struct {
	offset int // first offset in the value
	pos    Position
}

// Add records that the value's bytes from offset on stand at pos, up to the
// next recorded offset. Offsets must be added in rising order.
func (m *Map) Add(offset int, pos Position) {
	m.segments = append(m.segments, segment{offset, pos})
}
