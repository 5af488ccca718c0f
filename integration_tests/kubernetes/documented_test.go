package kubernetes

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The tables of who calls whom that people read, in deploy/README.md and deploy/helm/README.md, against the Go table that policies and configs are compared with.

const (
	deployHeader = "| From | To | Port | For |"
	helmHeader   = "| From | To | For |"
)

// documented: "caller -> callee:port" to the mechanisms that it is for; "" where the document does not say them in letters.
type documented map[string]string

// add notes an arrow; the letters of several rows add up, but no letter may stand twice.
func (d documented) add(caller, callee, port, mechanisms string) error {
	arrow := caller + " -> " + callee + ":" + port
	before, is := d[arrow]
	if is && (mechanisms == "" || strings.ContainsAny(before, mechanisms)) {
		return fmt.Errorf("%s stands twice", arrow)
	}
	d[arrow] = before + mechanisms
	return nil
}

// rows of the Markdown table with this header: the cells.
func rows(text, header string) ([][]string, error) {
	before, after, found := strings.Cut(text, "\n"+header+"\n")
	if !found || strings.Contains(before+after, "\n"+header+"\n") {
		return nil, fmt.Errorf("expected one table %q", header)
	}
	var table [][]string
	for line := range strings.Lines(after) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "|") {
			break
		}
		if strings.HasPrefix(line, "|---") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if len(cells) != strings.Count(header, "|")-1 {
			return nil, fmt.Errorf("a row of %d cells: %s", len(cells), line)
		}
		table = append(table, cells)
	}
	return table, nil
}

// the callers outside of the services, by how their cell in deploy/README.md begins. "": no chart has them (agents' tunnels; the workloads' own connections).
var deployCallers = []struct{ begins, caller string }{
	{"twictl (Workload Owner)", "owner"},
	{"relying parties of attested TLS", "relying party"},
	{"those of them with `relying_party.claims_mapper`", "relying party"},
	{"what scrapes", "scraper"},
	{"an agent's `attested_tls.egress`", ""},
	{"workloads", ""},
}

var (
	agentCell   = regexp.MustCompile(`^workload-agent \(([A-D])\)$`)
	inBrackets  = regexp.MustCompile(` \([^)]*\)`)
	portNumber  = regexp.MustCompile(`\b[0-9]{4}\b`)
	helmCallee  = regexp.MustCompile(`^(.*?)(?: ([0-9]{4}))?$`)
	someLetters = regexp.MustCompile(`^[A-D](, [A-D])*$`)
)

// callersOf a cell of deploy/README.md, and the mechanism of an agent's row.
func callersOf(cell string) (callers []string, mechanism string, err error) {
	if agent := agentCell.FindStringSubmatch(cell); agent != nil {
		return []string{"agent"}, agent[1], nil
	}
	for _, known := range deployCallers {
		if strings.HasPrefix(cell, known.begins) {
			return []string{known.caller}, "", nil
		}
	}
	callers = strings.Split(cell, ", ")
	for _, caller := range callers {
		if ports[caller] == 0 {
			return nil, "", fmt.Errorf("an unknown caller: %q", cell)
		}
	}
	return callers, "", nil
}

// deployTable reads deploy/README.md's table: its row of a service does not say the mechanisms of each arrow, an agent's does.
func deployTable(text string) (documented, error) {
	table, err := rows(text, deployHeader)
	if err != nil {
		return nil, err
	}
	found := documented{}
	for _, row := range table {
		callers, mechanism, err := callersOf(row[0])
		if err != nil {
			return nil, err
		}
		if callers[0] == "" {
			continue
		}
		callees, numbers := strings.Split(inBrackets.ReplaceAllString(row[1], ""), ", "), portNumber.FindAllString(row[2], -1)
		if callers[0] == "scraper" {
			numbers = []string{""} // each daemon's own
		}
		if len(callees) != len(numbers) {
			return nil, fmt.Errorf("%s: %d callees, %d ports", row[0], len(callees), len(numbers))
		}
		for _, caller := range callers {
			for i, callee := range callees {
				if err := found.add(caller, strings.TrimPrefix(callee, "then "), numbers[i], mechanism); err != nil {
					return nil, err
				}
			}
		}
	}
	return found, nil
}

// helmTable reads deploy/helm/README.md's: an empty first cell is the one above.
func helmTable(text string) (documented, error) {
	table, err := rows(text, helmHeader)
	if err != nil {
		return nil, err
	}
	names := map[string]string{"agents": "agent", "Workload Owners": "owner", "relying parties": "relying party", "scrapers": "scraper", "whoever calls somebody": "whoever calls somebody"}
	for service := range ports {
		names[service] = service
	}
	found, caller := documented{}, ""
	for _, row := range table {
		if row[0] != "" {
			if caller = names[inBrackets.ReplaceAllString(row[0], "")]; caller == "" {
				return nil, fmt.Errorf("an unknown caller: %q", row[0])
			}
		}
		mechanisms, err := lettersOf(caller, row[2])
		if err != nil {
			return nil, err
		}
		for _, callee := range strings.Split(inBrackets.ReplaceAllString(row[1], ""), ", ") {
			parts := helmCallee.FindStringSubmatch(callee)
			if err := found.add(caller, parts[1], parts[2], mechanisms); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

// lettersOf a cell "For": mechanisms, for the callers of the Go table; words for the others.
func lettersOf(caller, cell string) (string, error) {
	switch {
	case caller != "agent" && caller != "owner" && ports[caller] == 0:
		return "", nil
	case cell == "all":
		return "ABCD", nil
	case someLetters.MatchString(cell):
		return strings.ReplaceAll(cell, ", ", ""), nil
	default:
		return "", fmt.Errorf("%s: expected mechanisms or all: %q", caller, cell)
	}
}

// expectedIn: the Go table as a document must show it. `letters`: for which callers it says the mechanisms.
func expectedIn(letters func(caller string) bool, others ...string) documented {
	expected := documented{
		fmt.Sprintf("relying party -> verifier:%d", restPort):                    "",
		fmt.Sprintf("relying party -> claims-mapper:%d", ports["claims-mapper"]): "",
	}
	for _, other := range others {
		expected[other] = ""
	}
	for _, row := range table {
		mechanisms := row.mechanisms
		if !letters(row.caller) {
			mechanisms = ""
		}
		expected[fmt.Sprintf("%s -> %s:%d", row.caller, row.callee, ports[row.callee])] = mechanisms
	}
	return expected
}

func deployWrongs(text string) []string {
	seen, err := deployTable(text)
	if err != nil {
		return []string{err.Error()}
	}
	return differences(seen, expectedIn(func(caller string) bool { return caller == "agent" }, "scraper -> that daemon:"))
}

func helmWrongs(text string) []string {
	seen, err := helmTable(text)
	if err != nil {
		return []string{err.Error()}
	}
	return differences(seen, expectedIn(func(string) bool { return true }, fmt.Sprintf("scraper -> every service:%d", metricsPort), "whoever calls somebody -> the cluster's DNS:"))
}

func differences(seen, expected documented) []string {
	var wrong []string
	both := maps.Clone(seen)
	maps.Copy(both, expected)
	for _, arrow := range sortedKeys(both) {
		have, is := seen[arrow]
		want, should := expected[arrow]
		if is != should || have != want {
			wrong = append(wrong, fmt.Sprintf("%s: stands there: %v, for %q; expected %v, for %q", arrow, is, have, should, want))
		}
	}
	return wrong
}

func TestTheTablesOfTheReadmesAreTheArrows(t *testing.T) {
	expectNothing(t, "deploy/README.md", deployWrongs(read(t, filepath.Join(root(t), "deploy/README.md"))))
	expectNothing(t, "deploy/helm/README.md", helmWrongs(read(t, filepath.Join(root(t), "deploy/helm/README.md"))))
}

// A table that has drifted is noticed.
func TestDriftedTablesAreNoticed(t *testing.T) {
	for _, m := range []struct {
		path           string
		wrongs         func(string) []string
		from, to, says string
	}{
		{"deploy/README.md", deployWrongs, "| workload-agent (A) | verifier | 8441 |", "| workload-agent (A) | verifier, claims-mapper | 8441, 8442 |", "agent -> claims-mapper:8442"},
		{"deploy/README.md", deployWrongs, "| workload-agent (D) |", "| workload-agent (C) |", "stands twice"},
		{"deploy/README.md", deployWrongs, "| verifier | claims-mapper, credential-authority | 8442, 8443 |", "| verifier | claims-mapper | 8442 |", "verifier -> credential-authority:8443"},
		{"deploy/README.md", deployWrongs, "| claims-mapper, key-store | verifier | 8441 |", "| claims-mapper, key-store | verifier | 8442 |", "key-store -> verifier:8441"},
		{"deploy/README.md", deployWrongs, "| workloads |", "| verifier | key-store | 8444 | nothing |\n| workloads |", "verifier -> key-store:8444"},
		{"deploy/README.md", deployWrongs, "| workloads |", "| somebody | verifier | 8441 | nothing |\n| workloads |", "an unknown caller"},
		{"deploy/README.md", deployWrongs, "| 8451, HTTPS |", "| 8452, HTTPS |", "relying party -> verifier:8451"},
		{"deploy/helm/README.md", helmWrongs, "| | verifier 8441 | A, B, C |", "| | verifier 8441 | A, B |", "credential-authority -> verifier:8441"},
		{"deploy/helm/README.md", helmWrongs, "| verifier | claims-mapper 8442, credential-authority 8443 | A |", "| verifier | claims-mapper 8442, credential-authority 8443, key-store 8444 | A |", "verifier -> key-store:8444"},
		{"deploy/helm/README.md", helmWrongs, "| | key-store 8444 | D |\n| verifier |", "| verifier |", "agent -> key-store:8444"},
		{"deploy/helm/README.md", helmWrongs, "| key-store | verifier 8441 | D |", "| key-store | verifier 8441 | sometimes |", "expected mechanisms"},
		{"deploy/helm/README.md", helmWrongs, "every service 9464", "every service 9465", "scraper -> every service:9464"},
	} {
		text := read(t, filepath.Join(root(t), m.path))
		if strings.Count(text, m.from) != 1 {
			t.Fatalf("%s has %q %d times", m.path, m.from, strings.Count(text, m.from))
		}
		if found := m.wrongs(strings.Replace(text, m.from, m.to, 1)); !slices.ContainsFunc(found, func(line string) bool { return strings.Contains(line, m.says) }) {
			t.Errorf("%q -> %q: not noticed as %q, only: %q", m.from, m.to, m.says, found)
		}
	}
}
