//! What the double prints, against what the real one was recorded to print. (Over real ssh: `tests/bosh`.)
