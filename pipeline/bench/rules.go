package bench

import (
	"fmt"
	"strings"
)

// RuleFiles returns n generated rules, half of them Wazuh XML below rule 221,
// half YAML of the invigil dialect, as two files. One XML rule matches about
// 0.6 % of all events; the others look for things that the fleet does not have,
// so that the number of alerts is the same however many rules there are.
func RuleFiles(n int) (xml, yaml string) {
	var x, y strings.Builder
	x.WriteString("<group name=\"bench,\">\n")
	y.WriteString("rules:\n")
	for i := range n {
		if i%2 == 0 {
			xmlRule(&x, i)
		} else {
			yamlRule(&y, i)
		}
	}
	x.WriteString("</group>\n")
	if n < 2 {
		return x.String(), ""
	}
	return x.String(), y.String()
}

func xmlRule(b *strings.Builder, i int) {
	var fields string
	switch {
	case i == 0:
		fields = fmt.Sprintf(`<field name="port.local_port">^%d$</field><field name="port.state">^listening$|^close_wait$</field>`, alertPort)
	case i%8 == 2:
		fields = fmt.Sprintf(`<field name="port.local_port">^%d$</field><field name="port.protocol">^tcp$</field>`, 40000+i)
	case i%8 == 4:
		fields = fmt.Sprintf(`<field name="process.name">^unwanted-%d$</field>`, i)
	case i%8 == 6:
		fields = fmt.Sprintf(`<field name="program.name">^forbidden-%d</field><field name="program.vendor">Ubuntu</field>`, i)
	default:
		fields = fmt.Sprintf(`<field name="netinfo.iface.name">^docker%d$</field><field name="netinfo.iface.state">^up$</field>`, i)
	}
	fmt.Fprintf(b, "<rule id=\"%d\" level=\"5\"><if_sid>221</if_sid>%s<description>bench %d</description></rule>\n", 100000+i, fields, i)
}

func yamlRule(b *strings.Builder, i int) {
	var when string
	switch i % 8 {
	case 1:
		when = fmt.Sprintf(`port.local_port == %d and port.state == "listening"`, 40000+i)
	case 3:
		when = fmt.Sprintf(`process.name == "unwanted-%d" and process.euser == "root"`, i)
	case 5:
		when = fmt.Sprintf(`program.name startsWith "forbidden-%d" and program.format == "deb"`, i)
	default:
		when = fmt.Sprintf(`netinfo.iface.name in ["docker%d", "veth%d"] and netinfo.iface.state == "up"`, i, i)
	}
	fmt.Fprintf(b, "  - id: bench-%d\n    level: 5\n    description: bench %d\n    when: %s\n", i, i, "'"+when+"'")
}
