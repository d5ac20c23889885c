#pragma once
/// All of the config room in one include.
#include "config/explain.h"
#include "config/kind.h"
#include "config/node.h"
#include "config/parse.h"
#include "config/resolve.h"
#include "config/schema.h"
