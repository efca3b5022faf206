package rules

// AppendBinary appends the alert's canonical bytes, format byte first.
func (a *Alert) AppendBinary(b []byte) ([]byte, error) { return b, nil }

// DecodeAlert reads what AppendBinary wrote.
func DecodeAlert(b []byte) (*Alert, error) { return &Alert{}, nil }

// ID returns the alert's top-level id: <receive seconds>.<10 digits>.
func (a *Alert) ID() string { return "" }

// FullID returns the full 128-bit id, 32 hexadecimal digits.
func (a *Alert) FullID() string { return "" }
