package rulefile

// The keys of each mapping, in the order in which they are usually written.
var (
	fileKeys     = []string{"dialect", "lists", "tune", "rules"}
	listKeys     = []string{"name", "kind", "fold", "entries"}
	tuneKeys     = []string{"rules", "disabled", "level", "alert", "suppress"}
	suppressKeys = []string{"for", "by"}

	statefulKeys = []string{"id", "level", "description", "groups", "mitre", "table", "scope", "when", "items", "alert", "resolve", "correlate", "suppress"}
	windowKeys   = []string{"count", "within", "by", "distinct"}

	wazuhKeys = []string{
		"id", "level", "overwrite", "parent", "category", "decoded_as", "groups", "description", "when", "maxsize", "time", "weekday",
		"compiled_rule", "check_diff", "if_fts", "correlate", "frequency", "timeframe", "noalert", "ignore", "ignore_fields", "check_if_ignored",
		"options", "accuracy", "mitre", "cve", "info",
	}
	parentKeys    = []string{"sid", "level", "group"}
	correlateKeys = []string{"sid", "group", "regex", "frequency", "timeframe", "same", "different", "global"}
	infoKeys      = []string{"type", "text"}
)

var (
	listKinds  = []string{"cdb", "cidr", "prefix"}
	alertKinds = []string{"onset", "every"}
)

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
