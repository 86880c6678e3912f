/* What: calls that are never right here fail to compile. Included by the build into every file. */
#pragma once

#include <alloca.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC poison sprintf vsprintf strcpy strcat strtok atoi atol system popen mktemp tmpnam
