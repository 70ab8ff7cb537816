// Package english disables the translation of kubectl's messages. kubectl loads its translations while its packages are
// initialised, so every program in the same binary would do so at each start. This takes a quarter of the time of all
// initialisation, and the catalogue stays in memory.
//
// It must be initialised before any package of kubectl that has messages. Go initialises packages in the order of their
// import paths, after their imports (go.dev/ref/spec#Program_initialization): this path sorts before kubectl's, and
// imports only what is needed.
package english

import "k8s.io/kubectl/pkg/util/i18n"

// Late is an error if messages were translated before this package was initialised.
var Late = i18n.SetLoadTranslationsFunc(func() error { return nil })
