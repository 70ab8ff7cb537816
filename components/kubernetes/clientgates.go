package main

import (
	"os"
	"strconv"

	"k8s.io/client-go/features"
	"k8s.io/klog/v2"
)

// clientGates maps each feature of client-go to whether it is enabled. It is for programs without --feature-gates, such
// as kubectl and kubeadm, and reads the variables KUBE_FEATURE_NAME as these programs do in their own binaries. Without
// it, they would always use the defaults, because the linked packages of the servers replace client-go's own gates by
// those of --feature-gates.
type clientGates map[features.Feature]bool

// Add sets client-go's defaults and overrides them by the environment. A locked feature keeps its default.
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
			klog.ErrorS(nil, "Could not set feature gate, feature is locked", "variable", variable,
				"lockedState", spec.Default)
		default:
			gates[feature] = enabled
		}
	}
	return nil
}

// Enabled reports whether a feature is enabled.
func (gates clientGates) Enabled(feature features.Feature) bool { return gates[feature] }

// useClientGatesFromEnvironment replaces client-go's feature gates by clientGates.
func useClientGatesFromEnvironment() {
	gates := clientGates{}
	features.AddFeaturesToExistingFeatureGates(gates) //nolint:errcheck // Add returns no error
	features.ReplaceFeatureGates(gates)
}
