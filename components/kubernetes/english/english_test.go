package english_test

import (
	"testing"

	"hyperkube/english"

	_ "k8s.io/kubectl/pkg/cmd/version" // has messages
)

func TestKubectlIsNotTranslated(t *testing.T) {
	if english.Late != nil {
		t.Error(english.Late)
	}
}
