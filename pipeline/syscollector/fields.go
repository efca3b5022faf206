package syscollector

// Table identifies one of the thirteen inventory tables. The numbers are part
// of the stored format: never reordered or reused.
type Table uint8

// The tables, named as in the API.
const (
	NoTable Table = iota
	Hardware
	OS
	Hotfixes
	Packages
	Processes
	Ports
	Netiface
	Netproto
	Netaddr
	Users
	Groups
	Services
	BrowserExtensions
	NumTables
)

// MaxColumns bounds the columns of a table.
const MaxColumns = 40

// Type is the type of a column in the invigil dialect.
type Type uint8

// The column types.
const (
	String Type = iota
	Integer
	Real
)

// Field is one column of one table. It is the only place where a column's
// names, type and marks are written.
type Field struct {
	Table    Table
	Number   uint8    // column number in stored rows; never reused or reordered
	Name     string   // name in rules: port.local_port
	Column   string   // wire name in dbsync and rsync messages, "" if never sent
	Scan     string   // wire name in scan messages, "" if never sent
	Aliases  []string // other wire names seen in the field
	Type     Type
	Key      bool // part of the wire's key: where a row is stored
	ScanKey  bool // part of the key in the scan family only
	Same     bool // part of what a user calls the same thing
	Volatile bool // changes all the time: never makes a row modified
	API      string
	Doc      string
}
