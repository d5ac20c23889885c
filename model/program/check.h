#pragma once
/// What is wrong with a program before it ever runs.
#include <string>
#include <vector>

#include "program/program.h"

namespace athena::program {

/// Sentences, empty when the program is sound. Checked per kernel, over its corner items: windows
/// that reach beyond their region or memory, waits on a semaphore that nothing sets, buffers read
/// before anything writes them, loops without an end, footprints above what the buffers add up to,
/// and regions that overlap.
[[nodiscard]] std::vector<std::string> check(const Program& program);

}  // namespace athena::program
