package rtmfp_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestChecklist goes through the points of the list in the package comment
// that an endpoint has to hold; the other points are shown by the tests of the
// same name in the packages below this one.
func TestChecklist(t *testing.T) {
	for _, point := range []struct {
		name string
		test func(t *testing.T)
	}{
		{"05 session IDs", checkSessionIDs},
		{"06 modes", checkModes},
		{"07 padding", checkPadding},
		{"08 unknown and malformed chunks", checkChunks},
		{"09 timestamps", checkTimestamps},
		{"10 tags", checkTags},
		{"11 hellos are repeated", checkHelloSchedule},
		{"12 redirects", checkRedirects},
		{"13 wrong certificate", checkWrongCertificate},
		{"14 first RHello", checkFirstRHello},
		{"15 duplicate opening", checkDuplicateOpening},
		{"16 keying is repeated", checkKeyingSchedule},
		{"17 cookie change", checkCookieChange},
		{"18 bad RIKeying", checkBadRIKeying},
		{"19 ultimate timeout", checkOpenTimeout},
		{"20 no state by IHello", checkNoStateByHello},
		{"21 cookies", checkCookies},
		{"22 cookie for another address", checkCookieElsewhere},
		{"23 repeated IIKeying", checkRepeatedKeying},
		{"24 IIKeying at an open session", checkOverride},
		{"25 open at once", checkOpenAtOnce},
		{"26 glare", checkGlare},
		{"27 waiting openings", checkWaitingOpenings},
		{"28 FIHello", checkForwarded},
		{"29 introducer", checkIntroducer},
		{"42 round trips", checkRoundTrips},
		{"43 pings", checkPings},
		{"44 address mobility", checkMobility},
		{"45 closing", checkClose},
		{"46 the end of all flows", checkEndOfFlows},
		{"47 keepalive", checkKeepalive},
		{"48 flow options until acknowledged", checkFlowOptions},
		{"49 fragments", checkFragments},
		{"50 Next User Data", checkNextUserData},
		{"51 forward sequence numbers", checkForwardNumbers},
		{"52 forward update", checkForwardUpdate},
		{"53 abandoning", checkAbandon},
		{"54 negative acknowledgements", checkNaks},
		{"55 window", checkWindow},
		{"56 zero window", checkZeroWindow},
		{"57 exception", checkException},
		{"58 closing a flow", checkFlowClose},
		{"59 acknowledgements", checkAckForms},
		{"60 rejected flows", checkRejection},
		{"61 unknown options", checkOptionalOption},
		{"62 when to acknowledge", checkAckTimes},
		{"63 what to acknowledge", checkAckContent},
		{"64 acknowledging a rejected flow", checkRejectedAcks},
		{"65 truncated acknowledgements", checkAckTruncation},
		{"66 advertised window", checkAdvertisedWindow},
		{"67 delivery in order", checkOrderedDelivery},
		{"68 delivery in network order", checkNetworkOrder},
		{"69 the end of a flow", checkFlowEnd},
		{"70 memory", checkMemory},
		{"71 congestion window", checkCongestionWindow},
		{"72 time-critical flags", checkCriticalFlags},
		{"73 yielding", checkYielding},
		{"74 bursts", checkBursts},
		{"84 what old peers need", checkOldPeers},
	} {
		t.Run(point.name, point.test)
	}
}

// The list in the package comment names each of the 84 points, and each
// package that it names has a test of that point; there are no others.
func TestChecklistIsWhole(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`(?m)^//\t ?(\d+)  .{32} ([a-z, ]+)$`)
	var listed []string
	for i, m := range row.FindAllStringSubmatch(string(doc), -1) {
		if m[1] != strconv.Itoa(i+1) {
			t.Fatalf("row %d is of point %s", i+1, m[1])
		}
		for _, pkg := range strings.Split(m[2], ", ") {
			listed = append(listed, fmt.Sprintf("%02d %s", i+1, pkg))
		}
	}
	var shown []string
	entry := regexp.MustCompile(`(?m)^\t\t\{"(\d\d) [^"]*", (?:check|Test)`)
	for _, pkg := range []string{"rtmfp", "vlu", "wire", "congestion", "profile", "netconnection"} {
		text, err := os.ReadFile(filepath.Join("..", "rtmfp", strings.TrimPrefix(pkg, "rtmfp"), "checklist_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range entry.FindAllStringSubmatch(string(text), -1) {
			shown = append(shown, m[1]+" "+pkg)
		}
	}
	slices.Sort(listed)
	slices.Sort(shown)
	if !slices.Equal(listed, shown) {
		t.Errorf("listed are %v,\nshown are %v", listed, shown)
	}
	if n := len(row.FindAllString(string(doc), -1)); n != 84 {
		t.Errorf("%d points are listed, want 84", n)
	}
}
