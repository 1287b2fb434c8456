/* Refused: its application is that of a library it is linked with (dependency.c). */
#include <csgi.h>
CSGI_PLUGIN("zoo", "1", 0);
