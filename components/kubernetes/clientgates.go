// client-go's feature gates for kubectl and kubeadm, read from KUBE_FEATURE_NAME as in their own binaries.
//
// The servers' packages replace these gates with those of --feature-gates when they are linked. kubectl and kubeadm do
// not have this flag and would always use the defaults.
package main

import (
	"os"
	"strconv"

	"k8s.io/client-go/features"
	"k8s.io/klog/v2"
)

// clientGates maps each feature of client-go to whether it is enabled.
type clientGates map[features.Feature]bool

// Add sets client-go's defaults and overrides them from the environment. A locked feature keeps its default.
func (gates clientGates) Add(known map[features.Feature]features.FeatureSpec) error {
	for feature, spec := range known {
		gates[feature] = spec.Default
		variable := "KUBE_FEATURE_" + string(feature)
		value, given := os.LookupEnv(variable)
		if !given {
			continue
		}
		enabled, err := strconv.ParseBool(value)
		switch {
		case err != nil:
			klog.ErrorS(err, "Could not set feature gate", "variable", variable)
		case spec.LockToDefault && enabled != spec.Default:
			klog.ErrorS(nil, "Could not set feature gate, feature is locked", "variable", variable, "lockedState", spec.Default)
		default:
			gates[feature] = enabled
		}
	}
	return nil
}

func (gates clientGates) Enabled(feature features.Feature) bool { return gates[feature] }

func useClientGatesFromEnvironment() {
	gates := clientGates{}
	features.AddFeaturesToExistingFeatureGates(gates) //nolint:errcheck // Add returns no error
	features.ReplaceFeatureGates(gates)
}
