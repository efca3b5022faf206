package syscollector_test

import (
	"strings"
	"testing"

	"invigil/pipeline/syscollector"
)

func TestTheFieldTableIsSound(t *testing.T) {
	if n := len(syscollector.Tables()); n != 13 {
		t.Fatalf("%d tables", n)
	}
	names := map[string]bool{}
	for _, table := range syscollector.Tables() {
		numbers, wires, apis := map[uint8]bool{}, map[string]bool{}, map[string]bool{}
		for _, f := range syscollector.Fields(table) {
			if f.Table != table {
				t.Errorf("%s stands under %s", f.Name, table)
			}
			if f.Number >= syscollector.MaxColumns || numbers[f.Number] {
				t.Errorf("%s: number %d is taken or too large", f.Name, f.Number)
			}
			numbers[f.Number] = true
			if names[f.Name] {
				t.Errorf("%s: two fields of that name", f.Name)
			}
			names[f.Name] = true
			for _, w := range append([]string{f.Column}, f.Aliases...) {
				if w == "" || wires[strings.ToLower(w)] {
					t.Errorf("%s: wire name %q is empty or taken", f.Name, w)
				}
				wires[strings.ToLower(w)] = true
			}
			if f.API != "" && apis[f.API] {
				t.Errorf("%s: two columns %s in the API", f.Name, f.API)
			}
			apis[f.API] = true
			if f.Doc == "" || strings.HasSuffix(f.Doc, ".") || strings.Contains(f.Doc, "\n") {
				t.Errorf("%s: documentation %q", f.Name, f.Doc)
			}
			if f.Key && (f.ScanKey || f.Volatile) {
				t.Errorf("%s: a key is always a key, and never volatile", f.Name)
			}
			if got, ok := syscollector.ByName(f.Name); !ok || got.Number != f.Number || got.Table != table {
				t.Errorf("%s: found as %v", f.Name, got)
			}
			if c := table.Column(f.Number); c == nil || c.Name != f.Name {
				t.Errorf("%s: column %d is %v", f.Name, f.Number, c)
			}
			if syscollector.LookupView(f.Name) == 0 {
				t.Errorf("%s: not in the string view", f.Name)
			}
		}
		single := table == syscollector.Hardware || table == syscollector.OS
		m := table.Masks()
		if (m.Key == 0) != single || (m.Same == 0) != single {
			t.Errorf("%s: key %b, same %b", table, m.Key, m.Same)
		}
		if m.Same&m.Volatile != 0 {
			t.Errorf("%s: what makes a thing the same is volatile", table)
		}
		if m.Same&^(m.Key|m.ScanKey) != 0 && table != syscollector.Processes {
			t.Errorf("%s: same columns beside the key: %b", table, m.Same&^m.Key)
		}
	}
	if _, ok := syscollector.ByName("port.nothing"); ok {
		t.Error("an unknown name was found")
	}
	if syscollector.Ports.Column(39) != nil || syscollector.Ports.Column(200) != nil || syscollector.NumTables.Column(0) != nil {
		t.Error("columns beyond the table")
	}
}

func TestTheKeyColumnsAreTheWires(t *testing.T) {
	for table, want := range map[syscollector.Table]string{
		syscollector.Hardware:          "",
		syscollector.OS:                "",
		syscollector.Hotfixes:          "hotfix*",
		syscollector.Packages:          "format* name* version architecture* location*",
		syscollector.Processes:         "pid name* cmd* argvs* euser*",
		syscollector.Ports:             "protocol* local_ip* local_port* remote_ip+* remote_port+* inode",
		syscollector.Netiface:          "name* adapter type",
		syscollector.Netproto:          "iface* type*",
		syscollector.Netaddr:           "iface* proto* address*",
		syscollector.Users:             "user_name*",
		syscollector.Groups:            "group_name*",
		syscollector.Services:          "service_id* file_path",
		syscollector.BrowserExtensions: "browser_name* user_id* package_name* package_version browser_profile_path*",
	} {
		var got []string
		for _, f := range syscollector.Fields(table) {
			name := f.Column
			if f.ScanKey {
				name += "+"
			}
			if f.Same {
				name += "*"
			}
			if f.Key || f.ScanKey || f.Same {
				got = append(got, name)
			}
		}
		if g := strings.Join(got, " "); g != want {
			t.Errorf("%s: %q, want %q", table, g, want)
		}
	}
}

func TestTablesHaveTheirNames(t *testing.T) {
	for _, table := range syscollector.Tables() {
		if got, ok := syscollector.TableByName(table.String()); !ok || got != table {
			t.Errorf("%s: found as %v", table, got)
		}
		for _, name := range []string{table.Wire(), "dbsync_" + table.Wire(), "syscollector_" + table.Wire(), "syscollector-" + strings.ReplaceAll(table.Wire(), "_", "-")} {
			if got, ok := syscollector.TableByWire(name); !ok || got != table {
				t.Errorf("%s: found as %v", name, got)
			}
		}
	}
	for _, name := range []string{"", "port", "Ports", "dbsync_", "syscollector", "syscollector_", "osinfo_"} {
		if got, ok := syscollector.TableByWire(name); ok {
			t.Errorf("%q: found as %v", name, got)
		}
		if got, ok := syscollector.TableByName(name); ok {
			t.Errorf("%q: found as %v", name, got)
		}
	}
	if syscollector.NoTable.String() != "" || syscollector.NumTables.String() != "" || syscollector.NumTables.Wire() != "" || syscollector.Fields(syscollector.NumTables) != nil {
		t.Error("numbers that are no tables have names or fields")
	}
}
