package rulefile

// staticNames are the values that a condition names by an identifier.
var staticNames = []string{
	"log", "location", "hostname", "program_name", "user", "srcuser", "dstuser", "srcip", "dstip", "srcport", "dstport",
	"srcgeoip", "dstgeoip", "id", "url", "data", "extra_data", "status", "protocol", "system_name", "action",
}

// StaticNames returns the values that a condition of the wazuh dialects names
// by an identifier instead of a text.
func StaticNames() []string { return append([]string(nil), staticNames...) }

// sameNames are the static names of correlate's same and different.
var sameNames = []string{
	"srcip", "dstip", "srcport", "dstport", "srcuser", "user", "location", "id", "url", "data", "extra_data", "status",
	"system_name", "protocol", "action", "srcgeoip", "dstgeoip",
}

// optionNames are the values of options.
var optionNames = []string{
	"alert_by_email", "no_email_alert", "log_alert", "no_log", "no_ar", "no_full_log", "no_counter",
}

// OptionNames returns the values that the key options takes.
func OptionNames() []string { return append([]string(nil), optionNames...) }

// categoryNames are the values of category.
var categoryNames = []string{"firewall", "ids", "syslog", "web-log", "squid", "windows", "ossec"}

// CategoryNames returns the values that the key category takes.
func CategoryNames() []string { return append([]string(nil), categoryNames...) }

// infoTypes are the kinds of an info text.
var infoTypes = []string{"text", "link", "cve", "osvdb"}

// InfoTypes returns the kinds of an info text.
func InfoTypes() []string { return append([]string(nil), infoTypes...) }
