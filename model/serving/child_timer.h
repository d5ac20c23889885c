#pragma once
/// An OperatorTimer in a child process: a process can elaborate one chip only, and a comparison
/// needs two.
#include <functional>
#include <memory>

#include "serving/operator_timer.h"

namespace athena::serving {

/// Forks on the first measurement; `make` runs in the child. `front` answers identity() and
/// idle_power() in the parent. The child ends with this object. Errors come back as the
/// athena::Error they were; a child that dies is a MachineError.
[[nodiscard]] std::unique_ptr<OperatorTimer> in_child(
    std::unique_ptr<OperatorTimer> front, std::function<std::unique_ptr<OperatorTimer>()> make);

}  // namespace athena::serving
