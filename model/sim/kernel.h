#pragma once
/// The SystemC kernel, for rooms that only need it started: no SystemC in this header.

namespace athena::sim {

/// Sets the time resolution that the whole simulator counts in (1 fs), once per process. Call
/// before the first module is built.
void prepare_kernel();

/// Lets the kernel run until nothing is left to do.
void run_kernel();

}  // namespace athena::sim
