#pragma once
/// The table behind workloads/models/*.yaml (documents of kind "models").
#include "config/schema.h"
#include "workload/transformer.h"

namespace athena::workload {

const config::StructSchema& schema_of(const Moe*);
const config::StructSchema& schema_of(const Mla*);
const config::StructSchema& schema_of(const LinearAttention*);
const config::StructSchema& schema_of(const Transformer*);

}  // namespace athena::workload
