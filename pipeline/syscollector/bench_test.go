package syscollector_test

import (
	"strings"
	"testing"

	"invigil/pipeline/syscollector"
)

// The messages that make up most of a fleet's traffic, in the order of keys in
// which agents send them.
var traffic = []struct{ name, value string }{
	{"delta port", `d:[001] (web-01) any->syscollector:{"data":{"checksum":"3105d53ee1f2a45c1a2c8c9d7e1b6a5f4e3d2c1b","inode":494908,"item_id":"e2c92964ad145a635139f6318057506e386e00a3","local_ip":"0.0.0.0","local_port":34340,"pid":9120,"process":"nc","protocol":"tcp","remote_ip":"0.0.0.0","remote_port":0,"rx_queue":0,"scan_time":"2024/03/20 08:00:06","state":"listening","tx_queue":0},"operation":"INSERTED","type":"dbsync_ports"}`},
	{"delta process", `d:[001] (web-01) any->syscollector:{"data":{"argvs":"-lvnp 4444","checksum":"77d53ee1f2a45c1a2c8c9d7e1b6a5f4e3d2c1b","cmd":"nc","egroup":"root","euser":"root","fgroup":"root","name":"nc","nice":0,"nlwp":1,"pgrp":9120,"pid":"9120","ppid":9001,"priority":20,"processor":1,"resident":410,"rgroup":"root","ruser":"root","scan_time":"2024/03/20 08:00:07","session":9001,"sgroup":"root","share":380,"size":1212,"start_time":1710921600,"state":"S","stime":0,"suser":"root","tgid":9120,"tty":34816,"utime":0,"vm_size":4848},"operation":"INSERTED","type":"dbsync_processes"}`},
	{"delta package", `d:[001] (web-01) any->syscollector:{"data":{"architecture":"amd64","checksum":"9ed53ee1f2a45c1a2c8c9d7e1b6a5f4e3d2c1b","description":"network mapper","format":"deb","groups":"net","item_id":"a1c92964ad145a635139f6318057506e386e00a3","multiarch":"no","name":"nmap","priority":"extra","scan_time":"2024/03/20 08:00:05","size":4390,"source":" ","vendor":"Ubuntu Developers","version":"7.91+dfsg1-1"},"operation":"INSERTED","type":"dbsync_packages"}`},
	{"scan port", `d:[001] (web-01) any->syscollector:{"type":"port","ID":55123,"timestamp":"2019/06/14 16:31:00","port":{"protocol":"tcp","local_ip":"10.0.0.5","local_port":1514,"remote_ip":"203.0.113.77","remote_port":41522,"tx_queue":0,"rx_queue":0,"inode":38211,"state":"established"}}`},
	{"scan process", `d:[001] (web-01) any->syscollector:{"type":"process","ID":77001,"timestamp":"2019/06/14 16:31:05","process":{"pid":2210,"name":"nc","state":"S","ppid":1,"utime":3,"stime":1,"cmd":"nc","argvs":["-l","-p","4444"],"euser":"www-data","ruser":"www-data","suser":"www-data","egroup":"www-data","rgroup":"www-data","sgroup":"www-data","fgroup":"www-data","priority":20,"nice":0,"size":2266,"vm_size":9064,"resident":1204,"share":1090,"start_time":99112,"pgrp":2210,"session":2210,"nlwp":1,"tgid":2210,"tty":0,"processor":2}}`},
	{"scan package", `d:[001] (web-01) any->syscollector:{"type":"program","ID":271812,"timestamp":"2019/06/14 16:30:20","program":{"format":"deb","name":"netcat-openbsd","priority":"optional","group":"net","size":104,"vendor":"Ubuntu Developers","architecture":"amd64","multi-arch":"foreign","source":"netcat","version":"1.187-1","description":"TCP/IP swiss army knife"}}`},
	{"scan network", `d:[001] (web-01) any->syscollector:{"type":"network","ID":834291887,"timestamp":"2019/06/14 16:30:18","iface":{"name":"eth1","type":"ethernet","state":"up","MAC":"52:54:00:4a:11:9e","tx_packets":812,"rx_packets":1440,"tx_bytes":91822,"rx_bytes":2048811,"tx_errors":0,"rx_errors":0,"tx_dropped":0,"rx_dropped":3,"MTU":1500,"IPv4":{"address":["10.8.0.14","10.8.0.15"],"netmask":["255.255.255.0","255.255.255.0"],"broadcast":["10.8.0.255","10.8.0.255"],"metric":100,"gateway":"10.8.0.1","DHCP":"enabled"},"IPv6":{"address":["fe80::5054:ff:fe4a:119e"],"netmask":["ffff:ffff:ffff:ffff::"],"DHCP":"unknown"}}}`},
	{"archives port", `{"timestamp":"2024-03-20T08:00:06.482+0000","agent":{"id":"001","name":"web-01","ip":"10.0.0.5"},"manager":{"name":"wz-manager"},"id":"1710921606.4711","full_log":"{\"data\":{\"checksum\":\"3105d53ee1f2a45c1a2c8c9d7e1b6a5f4e3d2c1b\",\"inode\":494908,\"item_id\":\"e2c92964ad145a635139f6318057506e386e00a3\",\"local_ip\":\"0.0.0.0\",\"local_port\":34340,\"pid\":9120,\"process\":\"nc\",\"protocol\":\"tcp\",\"remote_ip\":\"0.0.0.0\",\"remote_port\":0,\"rx_queue\":0,\"scan_time\":\"2024/03/20 08:00:06\",\"state\":\"listening\",\"tx_queue\":0},\"operation\":\"INSERTED\",\"type\":\"dbsync_ports\"}","decoder":{"name":"syscollector"},"data":{"type":"dbsync_ports","port":{"protocol":"tcp","local_ip":"0.0.0.0","local_port":"34340"},"operation_type":"INSERTED"},"location":"syscollector"}`},
}

func BenchmarkDecode(b *testing.B) {
	for _, m := range traffic {
		b.Run(strings.ReplaceAll(m.name, " ", "-"), func(b *testing.B) {
			d := syscollector.NewDecoder(syscollector.Options{})
			value := []byte(m.value)
			b.ReportAllocs()
			b.SetBytes(int64(len(value)))
			for i := 0; b.Loop(); i++ {
				if i%1000 == 0 {
					d.Reset()
				}
				if _, err := d.Decode(value, syscollector.Meta{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecodeAndView(b *testing.B) {
	port := syscollector.LookupView("port.local_port")
	state := syscollector.LookupView("port.state")
	d := syscollector.NewDecoder(syscollector.Options{})
	value := []byte(traffic[0].value)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%1000 == 0 {
			d.Reset()
		}
		e, err := d.Decode(value, syscollector.Meta{})
		if err != nil {
			b.Fatal(err)
		}
		e.View(port)
		e.View(state)
	}
}

func TestDecodingAllocatesNothing(t *testing.T) {
	for _, m := range traffic {
		t.Run(m.name, func(t *testing.T) {
			d := syscollector.NewDecoder(syscollector.Options{})
			value := []byte(m.value)
			decode := func() {
				if _, err := d.Decode(value, syscollector.Meta{}); err != nil {
					t.Fatal(err)
				}
				d.Reset()
			}
			decode()
			if n := testing.AllocsPerRun(100, decode); n != 0 {
				t.Errorf("%v allocations an event", n)
			}
		})
	}
}
