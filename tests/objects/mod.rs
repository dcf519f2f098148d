//! Inputs and dead letters in object stores and at web addresses.

mod ahead;
mod faults;
mod inputs;
mod letters;
mod ranges;
mod resumed;
mod told;
mod web;

use crate::harness::wait::PATIENCE;
