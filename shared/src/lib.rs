//! What the rotation tools share.
