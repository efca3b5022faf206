package syscollector_test

import (
	"fmt"
	"strings"
	"testing"

	"invigil/pipeline/syscollector"
)

// decode decodes a message of agent 001.
func decode(t *testing.T, compat syscollector.Compat, message string) *syscollector.Event {
	t.Helper()
	d := syscollector.NewDecoder(syscollector.Options{Compat: compat, DefaultAgent: "001"})
	e, err := d.Decode([]byte(message), syscollector.Meta{})
	if err != nil {
		t.Fatalf("%s: %v", message, err)
	}
	return e
}

// shown is the string view as one text: name=value, absent fields left out.
func shown(e *syscollector.Event) string {
	var parts []string
	for name, value := range e.Fields() {
		parts = append(parts, name+"="+value)
	}
	return strings.Join(parts, " | ")
}

// absent stands for a field that is not created.
const absent = "(absent)"

func TestTheOriginalsReadingOfEachKindOfValue(t *testing.T) {
	scanPort := `{"type":"port","ID":1,"timestamp":"t","port":{%s}}`
	scanHardware := `{"type":"hardware","ID":1,"timestamp":"t","inventory":{%s}}`
	scanProcess := `{"type":"process","ID":1,"timestamp":"t","process":{%s}}`
	scanNetwork := `{"type":"network","ID":1,"timestamp":"t","iface":{"IPv4":{%s}}}`
	deltaPort := `{"data":{%s},"operation":"INSERTED","type":"dbsync_ports"}`
	deltaHardware := `{"data":{%s},"operation":"INSERTED","type":"dbsync_hwinfo"}`
	deltaAddress := `{"data":{%s},"operation":"INSERTED","type":"dbsync_network_address"}`
	deltaProcess := `{"data":{%s},"operation":"INSERTED","type":"dbsync_processes"}`

	tests := []struct {
		name, message, members, field string
		v39, v4                       string
	}{
		{"no key, text column", scanPort, ``, "port.state", absent, absent},
		{"no key, number column", scanPort, ``, "port.inode", absent, absent},
		{"null in a text column", scanPort, `"state":null`, "port.state", absent, absent},
		{"null in a number column", scanPort, `"inode":null`, "port.inode", "0", absent},
		{"null in local_port", scanPort, `"local_port":null`, "port.local_port", "0", "0"},
		{"true in a number column", scanPort, `"inode":true`, "port.inode", "1", absent},
		{"true in local_port", scanPort, `"local_port":true`, "port.local_port", "1", "1"},
		{"false in a number column", scanPort, `"inode":false`, "port.inode", "0", absent},
		{"a list in a number column", scanPort, `"inode":[1]`, "port.inode", "0", absent},
		{"an object in a number column", scanPort, `"inode":{"a":1}`, "port.inode", "0", absent},
		{"true in a text column", scanPort, `"state":true`, "port.state", absent, absent},
		{"a number in a text column", scanPort, `"state":5`, "port.state", absent, absent},
		{"a text", scanPort, `"state":"listening"`, "port.state", "listening", "listening"},
		{"an empty text", scanPort, `"state":""`, "port.state", "", ""},
		{"one blank", scanPort, `"state":" "`, "port.state", " ", " "},
		{"a text in a number column", scanPort, `"inode":"12"`, "port.inode", "0", absent},
		{"a text in local_port", scanPort, `"local_port":"22"`, "port.local_port", "0", "0"},
		{"an integer", scanPort, `"inode":12`, "port.inode", "12", "12"},
		{"a negative integer", scanPort, `"inode":-12`, "port.inode", "-12", "-12"},
		{"minus zero", scanPort, `"inode":-0`, "port.inode", "0", "0"},
		{"leading zeros", scanPort, `"inode":007`, "port.inode", "7", "7"},
		{"a fraction is cut off", scanPort, `"inode":22.9`, "port.inode", "22", "22"},
		{"a negative fraction is cut off", scanPort, `"inode":-22.9`, "port.inode", "-22", "-22"},
		{"a point without digits", scanPort, `"inode":1.`, "port.inode", "1", "1"},
		{"an exponent", scanPort, `"inode":1e3`, "port.inode", "1000", "1000"},
		{"the largest integer", scanPort, `"inode":2147483647`, "port.inode", "2147483647", "2147483647"},
		{"above 32 bits", scanPort, `"inode":4294967296`, "port.inode", "2147483647", "2147483647"},
		{"below 32 bits", scanPort, `"inode":-4294967296`, "port.inode", "-2147483648", "-2147483648"},
		{"beyond a double", scanPort, `"inode":1e999`, "port.inode", "2147483647", "2147483647"},
		{"an integer in a %f column", scanHardware, `"cpu_MHz":2904`, "hardware.cpu_mhz", "2904.000000", "2904.000000"},
		{"memory in a %f column", scanHardware, `"ram_total":4972208`, "hardware.ram_total", "4972208.000000", "4972208.000000"},
		{"free memory in a %f column", scanHardware, `"ram_free":3000000000`, "hardware.ram_free", "3000000000.000000", "3000000000.000000"},
		{"a fraction in a %f column", scanHardware, `"cpu_MHz":1992.0041234`, "hardware.cpu_mhz", "1992.004123", "1992.004123"},
		{"beyond a double in a %f column", scanHardware, `"cpu_MHz":-1e999`, "hardware.cpu_mhz", "-inf", "-inf"},
		{"a text in a %f column", scanHardware, `"cpu_MHz":"2904"`, "hardware.cpu_mhz", "0.000000", absent},
		{"null in a %f column", scanHardware, `"cpu_MHz":null`, "hardware.cpu_mhz", "0.000000", absent},
		{"usage is an integer", scanHardware, `"ram_usage":86`, "hardware.ram_usage", "86", "86"},
		{"arguments", scanProcess, `"argvs":["-D","-p"]`, "process.args", `["-D", "-p"]`, `["-D", "-p"]`},
		{"arguments with escapes", scanProcess, `"argvs":["a\"b\\","c\u0001\u00e9",1,2.5,true,null,[3 ]]`, "process.args",
			`["a\"b\\", "c\u0001é", 1, 2.5, true, null, [3]]`, `["a\"b\\", "c\u0001é", 1, 2.5, true, null, [3]]`},
		{"no arguments", scanProcess, `"argvs":[]`, "process.args", `[]`, `[]`},
		{"a text for arguments", scanProcess, `"argvs":"-D"`, "process.args", `"-D"`, absent},
		{"a number for arguments", scanProcess, `"argvs":5`, "process.args", `5`, absent},
		{"null for arguments", scanProcess, `"argvs":null`, "process.args", `null`, absent},
		{"addresses", scanNetwork, `"address":["10.0.2.15","10.0.2.16"]`, "netinfo.iface.ipv4.address", `["10.0.2.15", "10.0.2.16"]`, `["10.0.2.15", "10.0.2.16"]`},
		{"an empty address vanishes", scanNetwork, `"address":[""]`, "netinfo.iface.ipv4.address", `[]`, `[]`},
		{"an address with commas is split", scanNetwork, `"address":["a,b","c"]`, "netinfo.iface.ipv4.address", `["a", "b", "c"]`, `["a", "b", "c"]`},
		{"no addresses", scanNetwork, `"address":[]`, "netinfo.iface.ipv4.address", absent, absent},
		{"a text for addresses", scanNetwork, `"address":"10.0.0.1"`, "netinfo.iface.ipv4.address", absent, absent},
		{"netmasks up to the number of addresses", scanNetwork, `"netmask":["m","n"],"address":["a"]`, "netinfo.iface.ipv4.netmask", `["m"]`, `["m"]`},
		{"fewer broadcasts than addresses", scanNetwork, `"address":["a","b"],"broadcast":["c"]`, "netinfo.iface.ipv4.broadcast", `["c"]`, `["c"]`},
		{"netmasks without addresses", scanNetwork, `"netmask":["m"]`, "netinfo.iface.ipv4.netmask", absent, absent},
		{"gateway", scanNetwork, `"gateway":"10.0.0.1"`, "netinfo.iface.ipv4.gateway", "10.0.0.1", "10.0.0.1"},
		{"metric", scanNetwork, `"metric":100`, "netinfo.iface.ipv4.metric", "100", "100"},
		{"a text for the metric", scanNetwork, `"metric":"100"`, "netinfo.iface.ipv4.metric", "0", absent},
		{"dhcp", scanNetwork, `"DHCP":"enabled"`, "netinfo.iface.ipv4.dhcp", "enabled", "enabled"},

		{"delta: no key", deltaPort, ``, "port.process", "", ""},
		{"delta: null", deltaPort, `"process":null`, "port.process", "", ""},
		{"delta: true", deltaPort, `"process":true`, "port.process", "", ""},
		{"delta: a list", deltaPort, `"process":["a"]`, "port.process", "", ""},
		{"delta: an object", deltaPort, `"inode":{"a":1}`, "port.inode", "", ""},
		{"delta: a text in a number column", deltaPort, `"inode":"x"`, "port.inode", "x", "x"},
		{"delta: one blank", deltaPort, `"process":" "`, "port.process", " ", " "},
		{"delta: a number in a text column", deltaPort, `"process":5`, "port.process", "5", "5"},
		{"delta: an integer", deltaPort, `"inode":494908`, "port.inode", "494908", "494908"},
		{"delta: a whole number with a point", deltaPort, `"inode":1759200000.0`, "port.inode", "1759200000", "1759200000"},
		{"delta: minus zero", deltaPort, `"inode":-0`, "port.inode", "0", "0"},
		{"delta: the smallest integer", deltaPort, `"inode":-2147483648`, "port.inode", "-2147483648", "-2147483648"},
		{"delta: above 32 bits", deltaPort, `"inode":3000000000`, "port.inode", "3000000000.000000", "3000000000.000000"},
		{"delta: a fraction", deltaHardware, `"cpu_mhz":2904.5`, "hardware.cpu_mhz", "2904.500000", "2904.500000"},
		{"delta: frequency without a fraction", deltaHardware, `"cpu_mhz":2904`, "hardware.cpu_mhz", "2904", "2904"},
		{"delta: the other spelling of the frequency", deltaHardware, `"cpu_MHz":2904`, "hardware.cpu_mhz", "2904", "2904"},
		{"delta: memory", deltaHardware, `"ram_total":4972208`, "hardware.ram_total", "4972208", "4972208"},
		{"delta: beyond a double", deltaHardware, `"cpu_mhz":1e999`, "hardware.cpu_mhz", "inf", "inf"},
		{"delta: proto 0", deltaAddress, `"proto":0`, "netinfo.addr.proto", "ipv4", "ipv4"},
		{"delta: another proto", deltaAddress, `"proto":-7`, "netinfo.addr.proto", "ipv6", "ipv6"},
		{"delta: a text for proto", deltaAddress, `"proto":"0"`, "netinfo.addr.proto", "0", "0"},
		{"delta: pid as text", deltaProcess, `"pid":"0120"`, "process.pid", "0120", "0120"},
		{"delta: a list of arguments", deltaProcess, `"argvs":["a"]`, "process.args", "", ""},
		{"delta: only the column's own name counts", deltaPort, `"process_name":"nc"`, "port.process", "", ""},
		{"delta: a NUL ends the text", deltaPort, `"process":"a\u0000b"`, "port.process", "a", "a"},
		{"delta: control bytes and broken UTF-8 stay", deltaPort, "\"process\":\"a\x01\xff\"", "port.process", "a\x01\xff", "a\x01\xff"},
		{"delta: escapes", deltaPort, `"process":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"`, "port.process", "\"\\/\b\f\n\r\té😀", "\"\\/\b\f\n\r\té😀"},
		{"delta: the first of a name counts", deltaPort, `"PROCESS":"a","process":"b"`, "port.process", "a", "a"},
	}
	for _, tt := range tests {
		for compat, want := range map[syscollector.Compat]string{syscollector.Compat39: tt.v39, syscollector.Compat4: tt.v4} {
			t.Run(tt.name, func(t *testing.T) {
				e := decode(t, compat, fmt.Sprintf(tt.message, tt.members))
				for range 2 { // made once, then remembered
					got, ok := e.View(syscollector.LookupView(strings.ToUpper(tt.field)))
					if !ok {
						got = absent
					}
					if got != want {
						t.Errorf("compat %d: %q, want %q", compat, got, want)
					}
				}
			})
		}
	}
}

func TestFieldsComeInDecodeOrder(t *testing.T) {
	tests := []struct {
		name, message, want string
		compat              syscollector.Compat
	}{
		{"a port scan", `{"type":"port","ID":55123,"timestamp":"2019/06/14 16:31:00","port":{"state":"established","protocol":"tcp","PID":3,"local_ip":"10.0.0.5","local_port":1514,"remote_ip":"203.0.113.77","remote_port":41522,"tx_queue":0,"rx_queue":0,"inode":38211}}`,
			"type=port | port.protocol=tcp | port.local_ip=10.0.0.5 | port.local_port=1514 | port.remote_ip=203.0.113.77 | port.remote_port=41522 | port.tx_queue=0 | port.rx_queue=0 | port.inode=38211 | port.state=established | port.pid=3", 0},
		{"a network scan", `{"type":"network","ID":1,"timestamp":"t","iface":{"IPv6":{"DHCP":"unknown"},"IPv4":{"metric":1,"address":["a"],"gateway":"g","broadcast":["b"],"netmask":["m"],"DHCP":"d"},"MAC":"m","MTU":5,"name":"e"}}`,
			`type=network | netinfo.iface.name=e | netinfo.iface.mtu=5 | netinfo.iface.mac=m | netinfo.iface.ipv4.gateway=g | netinfo.iface.ipv4.dhcp=d | netinfo.iface.ipv4.metric=1 | netinfo.iface.ipv4.address=["a"] | netinfo.iface.ipv4.netmask=["m"] | netinfo.iface.ipv4.broadcast=["b"] | netinfo.iface.ipv6.dhcp=unknown`, 0},
		{"an OS scan", `{"type":"OS","timestamp":"t","inventory":{"version":"#1","os_version":"18.04","os_patch":"4","os_minor":"04","os_display_version":"d","os_release":"r","os_build":"b"}}`,
			"type=OS | os.version=18.04 | os.minor=04 | os.build=b | os.release_version=#1 | os.os_release=r | os.patch=4 | os.display_version=d", 0},
		{"an OS scan under 3.9", `{"type":"OS","timestamp":"t","inventory":{"version":"#1","os_version":"18.04","os_patch":"4","os_release":"r"}}`,
			"type=OS | os.version=18.04 | os.release_version=#1", syscollector.Compat39},
		{"an OS delta has two versions", `{"data":{"version":"#111","os_patch":"4"},"operation":"MODIFIED","type":"dbsync_osinfo"}`,
			"type=dbsync_osinfo | os.hostname= | os.architecture= | os.name= | os.version= | os.codename= | os.major= | os.minor= | os.patch=4 | os.build= | os.platform= | os.sysname= | os.release= | os.version=#111 | os.os_release= | os.display_version= | operation_type=MODIFIED", 0},
		{"a package delta", `{"data":{"scan_time":"t","checksum":"c","item_id":"i","name":"nmap","groups":"net","group":"x"},"operation":"","type":"dbsync_packages"}`,
			"type=dbsync_packages | program.format= | program.name=nmap | program.priority= | program.section=net | program.size= | program.vendor= | program.install_time= | program.version= | program.architecture= | program.multiarch= | program.source= | program.description= | program.location= | operation_type=", 0},
		{"a hotfix scan", `{"type":"hotfix","ID":1,"timestamp":"t","hotfix":"KB1"}`, "type=hotfix | hotfix=KB1", 0},
		{"a hotfix scan without a timestamp", `{"type":"hotfix","ID":1,"hotfix":"KB1"}`, "type=hotfix", 0},
		{"an end", `{"type":"port_end","ID":1,"timestamp":"t"}`, "type=port_end", 0},
		{"an end with a body", `{"type":"network_end","iface":{"name":"e"}}`, "type=network_end | netinfo.iface.name=e", 0},
		{"a body of the wrong kind", `{"type":"port","ID":1,"port":[1]}`, "type=port", 0},
		{"hardware without a body", `{"type":"hardware"}`, "type=hardware", 0},
		{"a row of state", `{"type":"state","component":"syscollector_hotfixes","data":{"attributes":{"hotfix":"KB1"}}}`, "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := shown(decode(t, tt.compat, tt.message)); got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestMessagesThat39DoesNotKnowAreInvisibleThere(t *testing.T) {
	for message, visible := range map[string]bool{
		`{"type":"hotfix","ID":1,"timestamp":"t","hotfix":"KB1"}`:                   false,
		`{"type":"hotfix_end","ID":1,"timestamp":"t"}`:                              false,
		`{"data":{"hotfix":"KB1"},"operation":"INSERTED","type":"dbsync_hotfixes"}`: false,
		`{"type":"port_end","ID":1,"timestamp":"t"}`:                                true,
		`{"type":"port","ID":"7","port":{"local_port":1}}`:                          true,
	} {
		e := decode(t, syscollector.Compat39, message)
		if e.Visible != visible {
			t.Errorf("%s: visible %v", message, e.Visible)
		}
	}
	if e := decode(t, syscollector.Compat39, `{"data":{"hotfix":"KB1"},"operation":"INSERTED","type":"dbsync_hotfixes"}`); len(e.Rows) != 1 || e.Op != syscollector.OpInsert {
		t.Errorf("an invisible delta changes nothing: op %d, %d rows", e.Op, len(e.Rows))
	}
}

func TestNamesThatNoMessageHasAreUnknown(t *testing.T) {
	for _, name := range []string{"", "port", "port.nothing", "ID", "timestamp", "scan_time", "checksum", "item_id", "srcip"} {
		if id := syscollector.LookupView(name); id != 0 {
			t.Errorf("%q has id %d", name, id)
		}
	}
	e := decode(t, syscollector.Compat4, portMessage)
	for _, name := range []string{"process.name", "netinfo.iface.ipv4.gateway", "operation_type", "nothing"} {
		if v, ok := e.View(syscollector.LookupView(name)); ok || v != "" {
			t.Errorf("a port message has %s = %q", name, v)
		}
	}
	if v, ok := e.View(60000); ok || v != "" {
		t.Errorf("an unknown id gives %q", v)
	}
	if id := syscollector.LookupView("Port.Local_PORT"); syscollector.ViewName(id) != "port.local_port" || syscollector.ViewTable(id) != syscollector.Ports {
		t.Errorf("id %d is %q of %v", id, syscollector.ViewName(id), syscollector.ViewTable(id))
	}
}
