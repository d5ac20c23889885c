#pragma once
/// Where every effective value of a document comes from.
#include <string>
#include <vector>

#include "config/node.h"
#include "config/schema.h"

namespace athena::config {

/// One effective key, one line of `athena config explain`.
struct ExplainedKey {
  std::string path;     ///< "core.matrix.rows", "tiers[0].size"
  std::string value;    ///< canonical text with its unit; "(none)" for an optional that is absent
  std::string type;     ///< "rate", "one of mesh, torus"
  std::string range;    ///< "1 to 16"; "" = any
  std::string origin;   ///< "configs/chips/athena.yaml:12", "--set a=1", "default"
  std::string source;   ///< where the figure was published
  std::string assumed;  ///< or why it was chosen
  std::string doc;
};

/// Every key of the schema with its effective value in `document`, in the order of the tables.
/// Throws InputError when the document does not fit the schema.
[[nodiscard]] std::vector<ExplainedKey> explain(const StructSchema& schema, const Node& document);

/// The document with every default filled in, units canonical: what hashes and diffs stand on.
[[nodiscard]] Node effective(const StructSchema& schema, const Node& document);

}  // namespace athena::config
