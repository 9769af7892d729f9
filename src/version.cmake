# Writes version.h to OUTPUT, from FG_VERSION and what GIT says of the working directory. The build runs it each time.
cmake_minimum_required(VERSION 3.25)
set(FG_REVISION "unknown")
if(GIT)
    execute_process(COMMAND ${GIT} describe --always --exclude=*
        OUTPUT_VARIABLE revision OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
    # Not describe --dirty, which writes the index: a build beside a commit would take its lock.
    execute_process(COMMAND ${GIT} --no-optional-locks status --porcelain --untracked-files=no
        OUTPUT_VARIABLE changes ERROR_QUIET)
    if(NOT failed)
        set(FG_REVISION "${revision}")
        if(changes)
            string(APPEND FG_REVISION "-dirty")
        endif()
    endif()
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT
"/* Made by version.cmake from project(VERSION) and git. */
#pragma once

#define FG_VERSION \"@FG_VERSION@\"
#define FG_REVISION \"@FG_REVISION@\"
" @ONLY)
