// The measurement needs Go's standard library only: it compiles in seconds, and its clients cost the machine little.
module control-plane

go 1.26.0
