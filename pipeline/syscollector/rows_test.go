package syscollector_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"invigil/pipeline/syscollector"
)

// rowText is a row as one text: table, then name=value of the present columns.
func rowText(r *syscollector.Row) string {
	parts := []string{r.Table.String()}
	for _, f := range syscollector.Fields(r.Table) {
		if r.Has(f.Number) {
			parts = append(parts, fmt.Sprintf("%s=%v", f.Name, r.Any(f.Number)))
		}
	}
	return strings.Join(parts, " ")
}

func rowTexts(e *syscollector.Event) string {
	var texts []string
	for i := range e.Rows {
		texts = append(texts, rowText(&e.Rows[i]))
	}
	return strings.Join(texts, "\n")
}

func TestRowsAreTypedAndKeepAbsence(t *testing.T) {
	delta := func(table, members string) string {
		return `{"data":{` + members + `},"operation":"INSERTED","type":"dbsync_` + table + `"}`
	}
	scan := func(typ, members string) string {
		return `{"type":"` + typ + `","ID":1,"timestamp":"t","` + typ + `":{` + members + `}}`
	}
	tests := []struct{ name, message, want string }{
		{"no key, null, an empty text and one blank are absent", delta("ports", `"protocol":"tcp","process":null,"state":"","local_ip":" "`), "ports port.protocol=tcp"},
		{"two blanks are a text", delta("ports", `"process":"  "`), "ports port.process=  "},
		{"zero is present", delta("ports", `"remote_port":0`), "ports port.remote_port=0"},
		{"numbers keep 64 bits", delta("network_iface", `"tx_bytes":9223372036854775807,"rx_bytes":-9223372036854775808`), "netiface netinfo.iface.tx_bytes=9223372036854775807 netinfo.iface.rx_bytes=-9223372036854775808"},
		{"numbers beyond 64 bits are absent", delta("network_iface", `"tx_bytes":9223372036854775808,"rx_bytes":1e999,"mtu":1`), "netiface netinfo.iface.mtu=1"},
		{"fractions of integers are cut off", delta("users", `"user_last_login":1605232465.665,"user_id":-1.5`), "users user.user_id=-1 user.user_last_login=1605232465"},
		{"numbers written with a point or an exponent are integers", delta("ports", `"inode":1e3,"pid":7.0`), "ports port.inode=1000 port.pid=7"},
		{"texts that are numbers are numbers", delta("network_iface", `"mtu":"1500","tx_bytes":" 4500000000 ","rx_bytes":"1.0"`), "netiface netinfo.iface.mtu=1500 netinfo.iface.tx_bytes=4500000000 netinfo.iface.rx_bytes=1"},
		{"texts that are no numbers are absent", delta("services", `"process_pid":"202714,243729","service_id":"a","service_frequency":"0x10","service_exit_code":"+1"`), "services service.service_id=a"},
		{"flags as booleans are 1 and 0", delta("users", `"user_is_hidden":true,"user_is_remote":false`), "users user.user_is_hidden=1 user.user_is_remote=0"},
		{"reals", delta("users", `"user_created":1759200000.5,"user_password_last_change":"12.25","user_auth_failed_timestamp":1e999`), "users user.user_created=1.7592000005e+09 user.user_password_last_change=12.25"},
		{"frequency", delta("hwinfo", `"cpu_MHz":2394.5,"ram_total":8148020`), "hardware hardware.cpu_mhz=2394.5 hardware.ram_total=8148020"},
		{"numbers in text columns have their shortest form", delta("browser_extensions", `"user_id":1000,"package_version":2.50,"package_name":007,"package_id":1e3,"browser_name":1e999,"package_path":1e21`), "browser_extensions browser_extension.user_id=1000 browser_extension.package_name=7 browser_extension.package_id=1000 browser_extension.package_version=2.5 browser_extension.package_path=1e+21"},
		{"booleans and lists in text columns", delta("services", `"service_id":"a","service_starts_on_path_modified":true,"service_restart":false,"process_args":["a",null,"b c",5],"service_name":[],"log_file_path":{"a":1}`), "services service.service_id=a service.service_restart=false service.service_starts_on_path_modified=true service.process_args=a,b c,5"},
		{"pid as text is an integer", delta("processes", `"pid":"9120","name":"nc"`), "processes process.pid=9120 process.name=nc"},
		{"the protocol of an address as number", delta("network_address", `"proto":0,"address":"a"`), "netaddr netinfo.addr.proto=ipv4 netinfo.addr.address=a"},
		{"the protocol of an address as numeric text", delta("network_address", `"proto":"1"`), "netaddr netinfo.addr.proto=ipv6"},
		{"the protocol of an address as text", delta("network_address", `"proto":"ipv6","dhcp":"x","metric":"1"`), "netaddr netinfo.addr.proto=ipv6"},
		{"the kernel's version has a name of its own", delta("osinfo", `"os_version":"22.04","version":"#111"`), "os os.version=22.04 os.release_version=#111"},
		{"other names of a column", delta("ports", `"process_name":"nc"`), "ports port.process=nc"},
		{"the column's own name counts more", delta("ports", `"process_name":"nc","process":"ssh"`), "ports port.process=ssh"},
		{"unless it has no value", delta("packages", `"groups":" ","group":"net"`), "packages program.section=net"},
		{"other names of the directories", delta("services", `"process_working_dir":"/a","PROCESS_ROOT_DIR":"/"`), "services service.process_working_directory=/a service.process_root_directory=/"},
		{"a delta without values makes no row", delta("ports", `"process":null`), ""},
		{"metric as text", delta("network_protocol", `"metric":"100","type":"ipv4"`), "netproto netinfo.proto.type=ipv4 netinfo.proto.metric=100"},

		{"a port scan", scan("port", `"protocol":"tcp","PID":"12","local_port":22.9`), "ports port.protocol=tcp port.local_port=22 port.pid=12"},
		{"arguments of a process scan have commas", scan("process", `"pid":1,"argvs":["-l","a\"b","4444"]`), `processes process.pid=1 process.args=-l,a"b,4444`},
		{"no arguments are absent", scan("process", `"pid":1,"argvs":[]`), "processes process.pid=1"},
		{"a program scan", scan("program", `"name":"a","group":"net","multi-arch":"same"`), "packages program.name=a program.section=net program.multiarch=same"},
		{"a hotfix scan without a timestamp", `{"type":"hotfix","ID":1,"hotfix":"KB1"}`, "hotfixes hotfix=KB1"},
		{"a scan's end reports nothing", `{"type":"port_end","ID":1,"port":{"local_port":1}}`, ""},
		{"a network scan makes rows of three tables",
			`{"type":"network","ID":1,"timestamp":"t","iface":{"name":"eth0","MTU":1500,"IPv4":{"address":["10.0.0.1","","10.0.0.2"],"netmask":["255.0.0.0"],"broadcast":["b1","b2","b3"],"gateway":"g","DHCP":"enabled","metric":100},"IPv6":{"address":["fe80::1"],"DHCP":"unknown"}}}`,
			"netiface netinfo.iface.name=eth0 netinfo.iface.mtu=1500\n" +
				"netproto netinfo.proto.iface=eth0 netinfo.proto.type=ipv4 netinfo.proto.gateway=g netinfo.proto.dhcp=enabled netinfo.proto.metric=100\n" +
				"netaddr netinfo.addr.iface=eth0 netinfo.addr.proto=ipv4 netinfo.addr.address=10.0.0.1 netinfo.addr.netmask=255.0.0.0 netinfo.addr.broadcast=b1\n" +
				"netaddr netinfo.addr.iface=eth0 netinfo.addr.proto=ipv4 netinfo.addr.address=10.0.0.2 netinfo.addr.broadcast=b3\n" +
				"netproto netinfo.proto.iface=eth0 netinfo.proto.type=ipv6 netinfo.proto.dhcp=unknown\n" +
				"netaddr netinfo.addr.iface=eth0 netinfo.addr.proto=ipv6 netinfo.addr.address=fe80::1"},
		{"an interface without addresses has no protocols", `{"type":"network","ID":1,"iface":{"name":"eth0","IPv4":[]}}`, "netiface netinfo.iface.name=eth0"},

		{"a row of state", `{"component":"syscollector_ports","type":"state","data":{"index":"x","timestamp":"","attributes":{"protocol":"tcp","local_port":22}}}`, "ports port.protocol=tcp port.local_port=22"},
		{"a row of state keyed by its index", `{"component":"syscollector_hotfixes","type":"state","data":{"index":"KB1","attributes":{"scan_time":"t"}}}`, "hotfixes hotfix=KB1"},
		{"a row of state of several key columns is not", `{"component":"syscollector_ports","type":"state","data":{"index":"x","attributes":{"state":"listening"}}}`, "ports port.state=listening"},
		{"a component of the first 4.2 agents", `{"component":"syscollector-network-iface","type":"state","data":{"attributes":{"name":"e"}}}`, "netiface netinfo.iface.name=e"},
		{"a row of the bus", `{"agent_info":{"agent_id":"009"},"data_type":"state","data":{"attributes_type":"syscollector_users","index":"bob","attributes":{"user_id":5}}}`, "users user.user_name=bob user.user_id=5"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := rowTexts(decode(t, syscollector.Compat4, tt.message)); got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestMessagesSayWhatTheyDo(t *testing.T) {
	type want struct {
		family    syscollector.Family
		op        syscollector.Op
		table     syscollector.Table
		operation string
		scan      int64
		scanTime  string
	}
	const scan, delta, sync = syscollector.FamilyScan, syscollector.FamilyDelta, syscollector.FamilySync
	tests := []struct {
		message string
		want    want
	}{
		{`{"type":"port","ID":55,"timestamp":"t1","port":{"local_port":1}}`, want{scan, syscollector.OpReport, syscollector.Ports, "", 55, "t1"}},
		{`{"TYPE":"port","id":55,"TimeStamp":"t1","PORT":{"LOCAL_PORT":1}}`, want{scan, syscollector.OpReport, syscollector.Ports, "", 55, "t1"}},
		{`{"type":"port_end","ID":55.9}`, want{scan, syscollector.OpScanEnd, syscollector.Ports, "", 55, ""}},
		{`{"type":"program_end","ID":1}`, want{scan, syscollector.OpScanEnd, syscollector.Packages, "", 1, ""}},
		{`{"type":"process_end","ID":1}`, want{scan, syscollector.OpScanEnd, syscollector.Processes, "", 1, ""}},
		{`{"type":"hotfix_end","ID":1}`, want{scan, syscollector.OpScanEnd, syscollector.Hotfixes, "", 1, ""}},
		{`{"type":"network_end","ID":1}`, want{scan, syscollector.OpScanEnd, syscollector.Netiface, "", 1, ""}},
		{`{"type":"OS","inventory":{}}`, want{scan, syscollector.OpReport, syscollector.OS, "", 0, ""}},
		{`{"type":"hardware","ID":2,"inventory":{}}`, want{scan, syscollector.OpReport, syscollector.Hardware, "", 2, ""}},
		{`{"data":{"scan_time":"t2"},"operation":"INSERTED","type":"dbsync_ports"}`, want{delta, syscollector.OpInsert, syscollector.Ports, "INSERTED", 0, "t2"}},
		{`{"data":{},"operation":"MODIFIED","type":"dbsync_network_protocol"}`, want{delta, syscollector.OpModify, syscollector.Netproto, "MODIFIED", 0, ""}},
		{`{"data":{},"operation":"DELETED","type":"dbsync_browser_extensions"}`, want{delta, syscollector.OpDelete, syscollector.BrowserExtensions, "DELETED", 0, ""}},
		{`{"data":{},"operation":"inserted","type":"dbsync_groups"}`, want{delta, syscollector.OpNone, syscollector.Groups, "inserted", 0, ""}},
		{`{"component":"syscollector_osinfo","type":"state","data":{"timestamp":"t3","attributes":{}}}`, want{sync, syscollector.OpState, syscollector.OS, "", 0, "t3"}},
		{`{"component":"syscollector_packages","type":"integrity_check_global","data":{"id":1}}`, want{sync, syscollector.OpNone, syscollector.Packages, "", 0, ""}},
		{`{"component":"syscollector_packages","type":"integrity_check_left","data":{"id":1}}`, want{sync, syscollector.OpNone, syscollector.Packages, "", 0, ""}},
		{`{"component":"syscollector_packages","type":"integrity_check_right","data":{"id":1}}`, want{sync, syscollector.OpNone, syscollector.Packages, "", 0, ""}},
		{`{"component":"syscollector_packages","type":"integrity_clear","data":{"id":1}}`, want{sync, syscollector.OpClear, syscollector.Packages, "", 0, ""}},
		{`{"agent_info":{},"data_type":"integrity_clear","data":{"attributes_type":"syscollector_services","id":1}}`, want{sync, syscollector.OpClear, syscollector.Services, "", 0, ""}},
		{`{"agent_info":{},"data_type":"integrity_check_global","data":{"attributes_type":"syscollector_users","id":1}}`, want{sync, syscollector.OpNone, syscollector.Users, "", 0, ""}},
	}
	for _, tt := range tests {
		e := decode(t, syscollector.Compat4, tt.message)
		got := want{e.Family, e.Op, e.Table, e.Operation, e.ScanID, e.ScanTime}
		if got != tt.want {
			t.Errorf("%s:\n got %+v\nwant %+v", tt.message, got, tt.want)
		}
	}
}

func TestRowsKnowTheirScanAndChecksum(t *testing.T) {
	e := decode(t, syscollector.Compat4, `{"data":{"user_name":"a","checksum":"c","scan_time":"t"},"operation":"INSERTED","type":"dbsync_users"}`)
	if r := &e.Rows[0]; r.ScanTime != "t" || r.Checksum != "c" || r.ScanID != 0 {
		t.Errorf("delta: scan %d at %q, checksum %q", r.ScanID, r.ScanTime, r.Checksum)
	}
	e = decode(t, syscollector.Compat4, portMessage)
	if r := &e.Rows[0]; r.ScanTime != "2019/06/14 16:31:00" || r.ScanID != 7 || r.Checksum != "" {
		t.Errorf("scan: scan %d at %q, checksum %q", r.ScanID, r.ScanTime, r.Checksum)
	}
}

func TestItemsOfTheAPIAreRows(t *testing.T) {
	tests := []struct {
		table              syscollector.Table
		item, agent, want  string
		scanTime, checksum string
		scanID             int64
	}{
		{syscollector.Ports, `{"local":{"ip":"::","port":49152},"remote":{"ip":"::","port":0},"scan":{"id":7,"time":"2026-02-03T04:05:06+00:00"},"protocol":"tcp6","inode":77120,"agent_id":"014","nothing":1}`,
			"014", "ports port.protocol=tcp6 port.local_ip=:: port.local_port=49152 port.remote_ip=:: port.remote_port=0 port.inode=77120", "2026/02/03 04:05:06", "", 7},
		{syscollector.Packages, `{"section":"utils","install_time":"2026-01-15T09:30:00+00:00","location":"","name":"jq"}`,
			"", "packages program.name=jq program.section=utils program.install_time=2026/01/15 09:30:00", "", "", 0},
		{syscollector.OS, `{"os":{"name":"Debian","version":"12"},"version":"#1 SMP"}`, "", "os os.name=Debian os.version=12 os.release_version=#1 SMP", "", "", 0},
		{syscollector.Processes, `{"pid":"1204","argvs":"a b"}`, "", "processes process.pid=1204 process.args=a b", "", "", 0},
		{syscollector.Hotfixes, `{"hotfix":"KB1","scan_id":3,"scan_time":"2026-02-03T04:05:06Z"}`, "", "hotfixes hotfix=KB1", "2026/02/03 04:05:06", "", 3},
		{syscollector.Services, `{"service":{"id":"a"},"file.path":"/a","checksum":"5f"}`, "", "services service.service_id=a service.file_path=/a", "", "5f", 0},
		{syscollector.BrowserExtensions, `{"browser":{"profile_path":"/p"},"user.id":"1500"}`, "", "browser_extensions browser_extension.user_id=1500 browser_extension.browser_profile_path=/p", "", "", 0},
	}
	d := syscollector.NewDecoder(syscollector.Options{})
	for _, tt := range tests {
		agent, r, err := d.Item(tt.table, []byte(tt.item))
		if err != nil {
			t.Errorf("%s: %v", tt.item, err)
			continue
		}
		if got := rowText(r); got != tt.want || agent != tt.agent || r.ScanTime != tt.scanTime || r.Checksum != tt.checksum || r.ScanID != tt.scanID {
			t.Errorf("%s:\n got %s, agent %q, scan %d at %q, checksum %q\nwant %s", tt.item, got, agent, r.ScanID, r.ScanTime, r.Checksum, tt.want)
		}
	}
	if _, _, err := d.Item(syscollector.Ports, []byte(`[]`)); err == nil {
		t.Error("a list was taken for an item")
	}
}

func TestModifiedRowsMerge(t *testing.T) {
	d := syscollector.NewDecoder(syscollector.Options{DefaultAgent: "001"})
	row := func(members string) syscollector.Row {
		e, err := d.Decode([]byte(`{"data":{`+members+`},"operation":"MODIFIED","type":"dbsync_ports"}`), syscollector.Meta{})
		if err != nil {
			t.Fatal(err)
		}
		return e.Rows[0]
	}
	old := row(`"protocol":"tcp","state":"listening","pid":1,"process":"a","scan_time":"t1","checksum":"c1"`)
	stored := old
	newer := row(`"protocol":"tcp","pid":2,"process":null,"scan_time":"t2"`)
	stored.Merge(&newer)
	if got, want := rowText(&stored), "ports port.protocol=tcp port.state=listening port.pid=2"; got != want {
		t.Errorf("merged %q, want %q", got, want)
	}
	if stored.ScanTime != "t2" || stored.Checksum != "c1" {
		t.Errorf("scan time %q, checksum %q", stored.ScanTime, stored.Checksum)
	}
	var names []string
	for _, f := range syscollector.Fields(syscollector.Ports) {
		if syscollector.Diff(&old, &stored)&(1<<f.Number) != 0 {
			names = append(names, f.Name)
		}
	}
	if got := strings.Join(names, " "); got != "port.pid port.process" {
		t.Errorf("differ in %q", got)
	}
	if d := syscollector.Diff(&stored, &stored); d != 0 {
		t.Errorf("a row differs from itself in %b", d)
	}
}

func TestValuesOfRowsAreReadAsTheyWereSet(t *testing.T) {
	var r syscollector.Row
	r.Reset(syscollector.Hardware)
	number := func(name string) uint8 {
		f, ok := syscollector.ByName(name)
		if !ok {
			t.Fatalf("no field %s", name)
		}
		return f.Number
	}
	serial, cores, mhz := number("hardware.serial"), number("hardware.cpu_cores"), number("hardware.cpu_mhz")
	if r.Str(serial) != "" || r.Int(cores) != 0 || r.Float(mhz) != 0 || r.Any(mhz) != nil || r.Text(cores) != "" {
		t.Error("an empty row has values")
	}
	r.SetStr(serial, "x")
	r.SetInt(cores, math.MinInt64)
	r.SetFloat(mhz, 2394.25)
	if r.Str(serial) != "x" || r.Int(cores) != math.MinInt64 || r.Float(mhz) != 2394.25 {
		t.Errorf("values %q %d %v", r.Str(serial), r.Int(cores), r.Float(mhz))
	}
	if got := r.Text(serial) + " " + r.Text(cores) + " " + r.Text(mhz); got != "x -9223372036854775808 2394.25" {
		t.Errorf("texts %q", got)
	}
	if r.Any(serial) != "x" || r.Any(cores) != int64(math.MinInt64) || r.Any(mhz) != 2394.25 || r.Any(63) != nil {
		t.Error("values of another type")
	}
	r.Clear(cores)
	if r.Has(cores) || r.Int(cores) != 0 {
		t.Error("a cleared column is there")
	}
}
