// Has golang.org/x/mod/sumdb check an export: go run sumdb.go EXPORT
// Reads files as docs/export.md says; what holds is for sumdb's own code to say.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

var folder = os.Args[1]

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Println("refused:", err)
		os.Exit(1)
	}
	return value
}

func read(name string) []byte { return must(os.ReadFile(filepath.Join(folder, name))) }

// tiles reads tiles from the folder. The path of a tile is sumdb's without its height, `tile/8/`.
type tiles struct{}

func (tiles) Height() int                        { return 8 }
func (tiles) SaveTiles(_ []tlog.Tile, _ [][]byte) {}
func (tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range wanted {
		content, err := os.ReadFile(filepath.Join(folder, strings.Replace(tile.Path(), "tile/8/", "tile/", 1)))
		if err != nil {
			return nil, err
		}
		found = append(found, content)
	}
	return found, nil
}

func main() {
	verifier := must(note.NewVerifier(strings.TrimSpace(string(read("verifier.key")))))
	opened := must(note.Open(read("checkpoint"), note.VerifierList(verifier)))
	var size int64
	var encoded string
	lines := strings.Split(opened.Text, "\n")
	fmt.Sscan(lines[1], &size)
	fmt.Sscan(lines[2], &encoded)
	root := must(tlog.ParseHash(encoded))
	head := tlog.Tree{N: size, Hash: root}
	reader := tlog.TileHashReader(head, tiles{})

	index := int64(0)
	for n := int64(0); 256*n < size; n++ {
		count := size - 256*n
		name := fmt.Sprintf("tile/entries/%03d", n)
		if count < 256 {
			name += fmt.Sprintf(".p/%d", count)
		}
		for content := read(name); len(content) > 0; index++ {
			length := int(content[0])<<8 | int(content[1])
			leaf := tlog.RecordHash(content[2 : 2+length])
			content = content[2+length:]
			if index%97 == 0 || index > size-3 {
				proof := must(tlog.ProveRecord(size, index, reader))
				must(0, tlog.CheckRecord(proof, size, root, index, leaf))
			}
		}
	}
	for old := int64(1); old <= size; old += 1 + old/3 {
		older := must(tlog.TreeHash(old, reader))
		proof := must(tlog.ProveTree(size, old, reader))
		must(0, tlog.CheckTree(proof, size, root, old, older))
	}
	fmt.Printf("accepted: %d entries\n", index)
}
