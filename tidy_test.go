package ringcast_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const modulePath = "github.com/ringcast/ringcast"

// kind says what a package may touch outside the project.
type kind int

const (
	// pure packages are protocol cores and codecs: no socket, file, clock,
	// lock, goroutine, channel or log.
	pure kind = iota
	// edge packages do input and output.
	edge
)

// rule is one row of the import law: lower may not import higher, and
// siblings do not import each other. may lists project packages relative to
// the module; "x/..." stands for x and all below it.
type rule struct {
	kind kind
	may  []string
}

// importLaw is the whole law. A package that is missing here may import only
// the standard library and counts as pure. The table is edited when it is
// wrong, never worked around.
var importLaw = map[string]rule{
	"reliability":       {pure, nil},
	"reliability/timer": {pure, []string{"reliability"}},

	"rtmfp/vlu":           {pure, nil},
	"rtmfp/amf0":          {pure, nil},
	"rtmfp/wire":          {pure, []string{"rtmfp/vlu"}},
	"rtmfp/congestion":    {pure, []string{"reliability"}},
	"rtmfp":               {pure, []string{"reliability", "reliability/timer", "rtmfp/vlu", "rtmfp/wire", "rtmfp/congestion"}},
	"rtmfp/profile":       {pure, []string{"rtmfp", "rtmfp/vlu"}},
	"rtmfp/keyfile":       {edge, []string{"rtmfp/profile"}},
	"rtmfp/netconnection": {pure, []string{"rtmfp", "rtmfp/wire", "rtmfp/amf0", "rtmfp/vlu", "reliability"}},
	"rtmfp/vnet":          {pure, []string{"rtmfp", "reliability", "reliability/timer"}},
	"rtmfp/udp":           {edge, []string{"rtmfp", "reliability", "reliability/timer"}},

	// Hints to the processor, for what hosts thousands of cores.
	"internal/prefetch": {pure, nil},

	"multicast": {pure, []string{
		"internal/prefetch",
		"reliability", "reliability/timer", "packager", "fragmenter", "overlay", "overlay/groupspec", "overlay/wire", "rtmfp", "rtmfp/wire",
		"rtmfp/vlu", "rtmfp/netconnection", "multicast/wire", "multicast/ipm",
	}},
	"multicast/node": {edge, []string{
		"multicast", "overlay", "overlay/groupspec", "overlay/introducer", "packager", "reliability", "reliability/timer", "rtmfp",
		"rtmfp/wire", "rtmfp/netconnection", "rtmfp/profile", "rtmfp/udp", "rtmfp/amf0", "overlay/wire",
	}},

	"multicast/files": {edge, []string{"multicast/node", "overlay", "overlay/manifest"}},

	"multicast/swarm": {pure, []string{
		"internal/prefetch",
		"reliability", "reliability/...", "packager", "fragmenter", "overlay", "overlay/...", "multicast", "multicast/...",
		"rtmfp", "rtmfp/wire", "rtmfp/vlu", "rtmfp/vnet", "rtmfp/profile",
	}},
	"multicast/swarm/plot": {pure, nil},

	"overlay": {pure, []string{
		"reliability", "reliability/timer", "rtmfp/vlu", "rtmfp/wire", "rtmfp/amf0", "overlay/groupspec", "overlay/wire",
	}},
	"overlay/groupspec":  {pure, []string{"rtmfp/vlu"}},
	"overlay/wire":       {pure, []string{"rtmfp/vlu", "rtmfp/wire"}},
	"overlay/sharelink":  {pure, []string{"overlay/groupspec"}},
	"overlay/manifest":   {pure, []string{"rtmfp/vlu"}},
	"overlay/introducer": {pure, []string{"overlay", "overlay/wire", "rtmfp", "rtmfp/netconnection", "reliability"}},

	"packager/nalu":   {pure, nil},
	"packager/h264":   {pure, []string{"packager/nalu"}},
	"packager/h265":   {pure, []string{"packager/nalu"}},
	"packager/av1":    {pure, nil},
	"packager/vp9":    {pure, nil},
	"packager/aac":    {pure, nil},
	"packager/opus":   {pure, nil},
	"packager/mp3":    {pure, nil},
	"packager/flv":    {pure, nil},
	"packager/id3":    {pure, nil},
	"packager/fmp4":   {pure, []string{"packager/nalu", "packager/h264", "packager/h265", "packager/aac"}},
	"packager/mpegts": {pure, []string{"packager/nalu", "packager/h264", "packager/h265", "packager/aac"}},
	"packager": {pure, []string{
		"reliability", "rtmfp/amf0", "packager/nalu", "packager/flv", "packager/h264", "packager/h265", "packager/av1",
		"packager/vp9", "packager/aac", "packager/opus", "packager/mp3",
	}},

	"fragmenter":     {pure, []string{"reliability", "packager", "packager/flv", "rtmfp/vlu"}},
	"multicast/wire": {pure, []string{"fragmenter", "rtmfp/vlu", "reliability"}},
	"multicast/ipm":  {pure, []string{"rtmfp/vlu", "rtmfp/wire", "reliability", "reliability/timer"}},

	"ingest":          {edge, []string{"packager", "reliability"}},
	"ingest/rtmp":     {edge, []string{"ingest", "packager", "packager/...", "reliability", "rtmfp/amf0"}},
	"ingest/flv":      {edge, []string{"ingest", "packager", "packager/...", "reliability"}},
	"ingest/rtsp":     {edge, []string{"ingest", "packager", "packager/...", "reliability"}},
	"ingest/file":     {edge, []string{"ingest", "ingest/flv", "packager", "packager/...", "reliability"}},
	"playout":         {pure, []string{"packager", "reliability"}},
	"playout/station": {edge, []string{"playout", "packager", "reliability"}},
	"playout/hls":     {edge, []string{"playout", "packager", "packager/...", "reliability", "rtmfp/amf0"}},
	"playout/flv":     {edge, []string{"playout", "packager", "packager/...", "reliability", "rtmfp/amf0"}},
	"playout/rtsp":    {edge, []string{"playout", "packager", "packager/...", "reliability"}},
	"playout/web":     {edge, []string{"ingest", "playout", "playout/...", "packager", "reliability"}},

	"config":       {edge, []string{"..."}},
	"cmd/ringcast": {edge, []string{"..."}},
	"internal/lab": {edge, []string{"rtmfp/vnet", "reliability"}},
	// The end-to-end tests and the load clients are programs of their own.
	"internal/e2e":             {edge, []string{"..."}},
	"internal/nettest":         {edge, []string{"internal/lab", "rtmfp/vnet"}},
	"internal/hlscheck":        {edge, nil},
	"internal/load":            {edge, nil},
	"internal/load/rtmfpbench": {edge, []string{"internal/load", "rtmfp", "rtmfp/...", "reliability"}},
	// A module of its own, so that the product needs none of what it is
	// compared with.
	"internal/load/quicbench": {edge, nil},
	"internal/load/edgebench": {edge, []string{"internal/load"}},
	"internal/load/simtable":  {edge, nil},
}

// Packages that only the named ones may import, whatever their own row says.
var importedOnlyBy = map[string][]string{
	"config":          {"cmd/ringcast", "internal/e2e"},
	"multicast/swarm": {"cmd/ringcast"},
	"rtmfp/udp":       {"cmd/ringcast", "multicast/node", "config", "internal/load/rtmfpbench"},
}

// Imports and calls that a pure package must not have.
var (
	impureImports = []string{"net", "net/http", "os", "sync", "context", "log", "log/slog", "syscall", "crypto/rand"}
	impureCalls   = []string{
		"time.Now", "time.Since", "time.Until", "time.After", "time.AfterFunc", "time.Tick",
		"time.NewTimer", "time.NewTicker", "time.Sleep",
	}
)

const (
	maxFunctionLines = 70
	maxFileLines     = 600
)

// longFunctions are table-like switches that may exceed maxFunctionLines.
// The list may only shrink.
var longFunctions = []string{}

type sourceFile struct {
	name string // slash-separated, relative to the module
	pkg  string // directory, "" for the root
	test bool
	fset *token.FileSet
	file *ast.File
}

// sources parses every Go file of the module outside testdata.
func sources(t *testing.T) []sourceFile {
	t.Helper()
	var all []sourceFile
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		if d.IsDir() {
			if base != "." && (strings.HasPrefix(base, ".") || base == "testdata" || base == "node_modules") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(base, ".go") {
			return nil
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		slash := filepath.ToSlash(name)
		pkg := path.Dir(slash)
		if pkg == "." {
			pkg = ""
		}
		all = append(all, sourceFile{slash, pkg, strings.HasSuffix(base, "_test.go"), fset, file})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 5 {
		t.Fatalf("found only %d Go files: the walk does not see the module", len(all))
	}
	return all
}

func (f sourceFile) imports(t *testing.T) []string {
	var paths []string
	for _, spec := range f.file.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatalf("%s: %v", f.name, err)
		}
		paths = append(paths, p)
	}
	return paths
}

// matches reports whether pkg is one of the patterns.
func matches(pkg string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if p == "..." {
			return true
		}
		if parent, ok := strings.CutSuffix(p, "/..."); ok {
			return pkg == parent || strings.HasPrefix(pkg, parent+"/")
		}
		return pkg == p
	})
}

func TestImportLaw(t *testing.T) {
	for _, f := range sources(t) {
		if f.test || f.pkg == "" {
			continue // tests may drive a package through its neighbours
		}
		row := importLaw[f.pkg]
		for _, p := range f.imports(t) {
			dep, ours := strings.CutPrefix(p, modulePath+"/")
			if !ours {
				continue
			}
			if !matches(dep, row.may) {
				t.Errorf("%s: package %s may not import %s", f.name, f.pkg, dep)
			}
			if only, limited := importedOnlyBy[dep]; limited && !matches(f.pkg, only) {
				t.Errorf("%s: only %v may import %s", f.name, only, dep)
			}
		}
	}
}

// The profile without cryptography lives in rtmfp/vnet. No command can reach
// it: the package is not in the program.
func TestProgramHasNoPlainProfile(t *testing.T) {
	imports := make(map[string][]string)
	for _, f := range sources(t) {
		if f.test {
			continue
		}
		for _, p := range f.imports(t) {
			if dep, ok := strings.CutPrefix(p, modulePath+"/"); ok {
				imports[f.pkg] = append(imports[f.pkg], dep)
			}
		}
	}
	seen := map[string]bool{}
	var visit func(pkg, way string)
	visit = func(pkg, way string) {
		if pkg == "rtmfp/vnet" {
			t.Errorf("the program has the virtual network in it: %s", way)
		}
		if !seen[pkg] {
			seen[pkg] = true
			for _, dep := range imports[pkg] {
				visit(dep, way+" -> "+dep)
			}
		}
	}
	visit("cmd/ringcast", "cmd/ringcast")
	if !seen["rtmfp"] {
		t.Error("the program has no transport in it: the test looks in the wrong place")
	}
}

func TestPurePackagesDoNoInputOrOutput(t *testing.T) {
	for _, f := range sources(t) {
		if f.test || f.pkg == "" || importLaw[f.pkg].kind == edge {
			continue
		}
		for _, p := range f.imports(t) {
			if slices.Contains(impureImports, p) {
				t.Errorf("%s: a pure package may not import %s", f.name, p)
			}
		}
		ast.Inspect(f.file, func(n ast.Node) bool {
			what := ""
			switch n := n.(type) {
			case *ast.GoStmt:
				what = "a go statement"
			case *ast.ChanType:
				what = "a channel"
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && slices.Contains(impureCalls, x.Name+"."+n.Sel.Name) {
					what = x.Name + "." + n.Sel.Name
				}
			}
			if what != "" {
				t.Errorf("%s: a pure package may not have %s", f.fset.Position(n.Pos()), what)
			}
			return true
		})
	}
}

func TestFunctionLength(t *testing.T) {
	for _, f := range sources(t) {
		if f.test {
			continue
		}
		for _, decl := range f.file.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			first, last := f.fset.Position(fn.Pos()).Line, f.fset.Position(fn.End()).Line
			name := f.pkg + "." + fn.Name.Name
			long := last-first+1 > maxFunctionLines
			exempt := slices.Contains(longFunctions, name)
			if long && !exempt {
				t.Errorf("%s:%d: %s has %d lines, at most %d", f.name, first, fn.Name.Name, last-first+1, maxFunctionLines)
			}
			if exempt && !long {
				t.Errorf("%s: %s is short now: take it off longFunctions", f.name, name)
			}
		}
	}
}

func TestFileLength(t *testing.T) {
	for _, f := range sources(t) {
		lines := f.fset.Position(f.file.FileEnd).Line
		if !f.test && lines > maxFileLines {
			t.Errorf("%s has %d lines, at most %d: split it by concern", f.name, lines, maxFileLines)
		}
	}
}

// Every package says what it is for, and where one looks first: in doc.go.
func TestPackageComments(t *testing.T) {
	documented, seen := map[string]bool{}, map[string]string{}
	for _, f := range sources(t) {
		if f.test {
			continue
		}
		seen[f.pkg] = f.name
		if f.file.Doc == nil {
			continue
		}
		if filepath.Base(f.name) != "doc.go" {
			t.Errorf("%s has the package comment: it belongs in doc.go", f.name)
		}
		documented[f.pkg] = len(f.file.Doc.Text()) > 40
	}
	for pkg, file := range seen {
		if !documented[pkg] {
			t.Errorf("package %q (%s …) has no package comment", pkg, file)
		}
	}
}

// Every package that a program may import has an example: the first thing that
// a reader runs.
func TestExamples(t *testing.T) {
	has := map[string]bool{}
	for _, f := range sources(t) {
		dir := filepath.Dir(f.name)
		if first, _, _ := strings.Cut(dir, "/"); first == "internal" || first == "cmd" || dir == "." {
			continue
		}
		if _, seen := has[dir]; !seen {
			has[dir] = false
		}
		if !f.test {
			continue
		}
		for _, d := range f.file.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && strings.HasPrefix(fn.Name.Name, "Example") {
				has[dir] = true
			}
		}
	}
	for dir, ok := range has {
		if !ok {
			t.Errorf("package %s has no example", dir)
		}
	}
}

// Links between the documents lead somewhere.
func TestDocumentLinks(t *testing.T) {
	docs, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range append(docs, "README.md", "ARCHITECTURE.md") {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		for _, part := range strings.Split(string(text), "](")[1:] {
			target, _, ok := strings.Cut(part, ")")
			target, _, _ = strings.Cut(target, "#")
			if !ok || target == "" || strings.Contains(target, "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(doc), target)); err != nil {
				t.Errorf("%s: link to %s leads nowhere", doc, target)
			}
		}
	}
}
