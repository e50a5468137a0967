package rtmfp_test

import "testing"

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
	} {
		t.Run(point.name, point.test)
	}
}
