//! What the rotation tools share: facts, plans, the doors to the world, the engine and the output.
//!
//! | room | holds | may use |
//! | --- | --- | --- |
//! | [`facts`] | plain data and pure readers | nothing else |
//! | [`plan`] | pure decisions: facts in, plan out | `facts` |
//! | [`world`] | the doors, each the only place that uses what it wraps | `facts` |
//! | [`look`] | what several tools read before they decide | `facts`, `plan`, `world` |
//! | [`apply`] | engine, journal, effects: interprets a plan through the doors | `plan`, `world` |
//! | [`tell`] | events, human lines, tables, JSON, cleaning of remote text | `facts`, `plan` |
//! | `cli` | what every binary looks like | all |

pub mod apply;
pub mod cli;
pub mod facts;
pub mod look;
pub mod plan;
pub mod tell;
pub mod world;
