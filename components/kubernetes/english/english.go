// Package english keeps kubectl's messages as they are written. kubectl translates its help while its packages are
// initialised, which every program in one file with it would do at each start, for a quarter of what all initialisation
// takes, and keep the catalogue in memory.
//
// It has to be initialised before any package of kubectl that has a message. Go does that in the order of the import
// paths, as far as what they import allows (go.dev/ref/spec#Program_initialization): this path comes before kubectl's,
// and nothing is imported but what is needed.
package english

import "k8s.io/kubectl/pkg/util/i18n"

// Late is an error when messages were translated before this package was initialised.
var Late = i18n.SetLoadTranslationsFunc(func() error { return nil })
