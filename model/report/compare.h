#pragma once
/// Two result folders of `athena run` side by side.
#include <filesystem>
#include <nlohmann/json.hpp>

namespace athena::report {

/// {workload, first: {folder, chip, config_hash}, second, ratios: [{quantity, unit, first, second,
/// ratio}], kernels: [{phase, kernel, first_s, second_s, ratio}]}; a ratio is first / second, null
/// when the second is zero. Throws InputError when a folder holds no result, or when the two ran
/// different workloads (model, phase, batch, lengths, layers, precision, split over chips): a
/// ratio of different work means nothing. The sentence names every difference.
[[nodiscard]] nlohmann::ordered_json compare(const std::filesystem::path& first,
                                             const std::filesystem::path& second);

}  // namespace athena::report
